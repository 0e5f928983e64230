"""Dead letters: records that can never be handled, kept whole and with the reason, to look at and to replay.

Bounded: past a share or a run of failures the consumer stops, because then the release is bad and not the
records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from service_kit.errors import DeadLetterLimitExceeded, PoisonRecord
from service_kit.kafka.producer import Sender
from service_kit.kafka.records import Headers, OutgoingRecord, Position, Record

SUFFIX = ".dlq"
HEADER_PREFIX = "dlq-"


class DeadLetterLimit:
    """How many dead letters are still bad records and not a bad release.

    Exceeded when more than `ratio` of the last `window` records are poison (once `minimum` records were
    seen), or when `run` records in a row are.
    """

    def __init__(self, *, ratio: float = 0.5, window: int = 100, minimum: int = 20, run: int = 50) -> None:
        if not (0 < ratio <= 1 and 0 < minimum <= window and run > 0):
            raise ValueError(f"a dead letter limit of {ratio=} {window=} {minimum=} {run=} makes no sense")
        self._ratio = ratio
        self._window = window
        self._minimum = minimum
        self._run_limit = run
        self._recent: deque[bool] = deque(maxlen=window)
        self._run = 0

    def handled(self, count: int = 1) -> None:
        """Note records that were handled."""
        self._recent.extend([False] * min(count, self._window))
        if count:
            self._run = 0

    def check(self, record: Record) -> None:
        """Ask whether one more poison record is allowed.

        Raises:
            DeadLetterLimitExceeded: this one would be too many.
        """
        advice = (
            f"the last is {record}, which is not done: mend the release or the producer, then start again"
        )
        if self._run + 1 >= self._run_limit:
            raise DeadLetterLimitExceeded(f"{self._run + 1} records in a row are poison; {advice}")
        seen = min(len(self._recent) + 1, self._window)
        poison = sum(list(self._recent)[-(seen - 1) :] if seen > 1 else ()) + 1
        if seen >= self._minimum and poison > self._ratio * seen:
            raise DeadLetterLimitExceeded(f"{poison} of the last {seen} records are poison; {advice}")

    def poisoned(self) -> None:
        """Note a record that was moved to the dead letters."""
        self._recent.append(True)
        self._run += 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What a dead letter's headers say about it."""

    reason: str
    error: str
    attempts: int
    topic: str
    partition: int
    offset: int
    service: str
    version: str
    at: datetime


class DeadLetters:
    """Writes `<topic>.dlq`: the original key, value and headers, and `dlq-` headers that say why."""

    def __init__(
        self,
        producer: Sender,
        *,
        service: str,
        version: str,
        suffix: str = SUFFIX,
        limit: DeadLetterLimit | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._producer = producer
        self._service = service
        self._version = version
        self._suffix = suffix
        self._limit = limit or DeadLetterLimit()
        self._now = now

    def handled(self, count: int = 1) -> None:
        """Note records that were handled, for the limit."""
        self._limit.handled(count)

    async def put(self, record: Record, poison: PoisonRecord, *, attempts: int = 1) -> Position:
        """Write the record to the dead letters and wait until every in-sync replica has it.

        Raises:
            DeadLetterLimitExceeded: before writing; stop without committing the record.
            TransientFailure: Kafka is away; try again.
        """
        self._limit.check(record)
        headers = dead_letter_headers(
            Origin(
                reason=poison.reason,
                error=str(poison),
                attempts=attempts,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                service=self._service,
                version=self._version,
                at=self._now(),
            )
        )
        position = await self._producer.send(
            OutgoingRecord(
                topic=record.topic + self._suffix,
                key=record.key,
                # Kafka's client refuses a record of nothing at all.
                value=b"" if record.key is None and record.value is None else record.value,
                headers=original_headers(record.headers) + headers,
            )
        )
        self._limit.poisoned()
        return position


def dead_letter_headers(origin: Origin) -> Headers:
    """Write an origin as headers."""
    return (
        ("dlq-reason", origin.reason.encode()),
        ("dlq-error", origin.error.encode("utf-8", "replace")),
        ("dlq-attempts", str(origin.attempts).encode()),
        ("dlq-origin-topic", origin.topic.encode()),
        ("dlq-origin-partition", str(origin.partition).encode()),
        ("dlq-origin-offset", str(origin.offset).encode()),
        ("dlq-service", origin.service.encode()),
        ("dlq-version", origin.version.encode()),
        ("dlq-at", origin.at.isoformat().encode()),
    )


def read_origin(headers: Headers) -> Origin:
    """Read an origin back from a dead letter's headers.

    Raises:
        KeyError: a header is absent: this is not a dead letter.
    """
    found = {name: value.decode() for name, value in headers if name.startswith(HEADER_PREFIX)}
    return Origin(
        reason=found["dlq-reason"],
        error=found["dlq-error"],
        attempts=int(found["dlq-attempts"]),
        topic=found["dlq-origin-topic"],
        partition=int(found["dlq-origin-partition"]),
        offset=int(found["dlq-origin-offset"]),
        service=found["dlq-service"],
        version=found["dlq-version"],
        at=datetime.fromisoformat(found["dlq-at"]),
    )


def original_headers(headers: Headers) -> Headers:
    """Give the headers that the record had before it became a dead letter."""
    return tuple((name, value) for name, value in headers if not name.startswith(HEADER_PREFIX))

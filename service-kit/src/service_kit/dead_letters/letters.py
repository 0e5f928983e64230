"""Dead letters: records that can never be handled, kept with the reason, to look at and to replay.

There is always room for one: topics of dead letters take records of twice the size of any other, and the
reason is cut to `MOST_ERROR_BYTES`. Where a cluster takes less all the same, the value is cut to `CUT_BYTES`
and the headers are left out; its size and sha256 stand in headers of ours, and the whole record stays where
it came from, as long as that topic keeps it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from service_kit.dead_letters.limit import DeadLetterLimit
from service_kit.errors import DeadLetterRefused, PoisonRecord
from service_kit.kafka.producer import Sender
from service_kit.kafka.records import Headers, OutgoingRecord, Position, Record
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

SUFFIX = ".dlq"
HEADER_PREFIX = "dlq-"
MOST_BYTES = 2 * 1_048_576
"""Give this to the producer of dead letters; `max.message.bytes` of their topics."""
MOST_ERROR_BYTES = 4096
# A header of dead letters that say nothing about the release.
OTHERS_PASS = HEADER_PREFIX + "others-pass"
CUT_BYTES = 65_536
# Headers of a cut dead letter, about the whole value.
ORIGINAL_BYTES, ORIGINAL_SHA256 = HEADER_PREFIX + "original-bytes", HEADER_PREFIX + "original-sha256"


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
        earlier: Callable[[str], Awaitable[Sequence[bytes | None]]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._producer = producer
        self._service = service
        self._version = version
        self._suffix = suffix
        self._limit = limit or DeadLetterLimit()
        self._earlier = earlier
        self._recalled: set[str] = set()
        self._now = now

    def handled(self, records: Sequence[Record]) -> None:
        """Note records of one topic that were handled, for the limit.

        That a dead letter was read, perhaps one of our own, says nothing good about its sender.
        """
        if records and not records[-1].topic.endswith(self._suffix):
            self._limit.handled(records)

    async def put(self, record: Record, poison: PoisonRecord, *, attempts: int = 1) -> Position:
        """Write the record to the dead letters and wait until every in-sync replica has it.

        Raises:
            DeadLetterLimitExceeded: before writing; stop without committing the record.
            DeadLetterRefused: Kafka takes not even the cut record; stop without committing it.
            TransientFailure: Kafka is away; try again.
        """
        if not poison.others_pass:
            await self._recall(record.topic + self._suffix)
            self._limit.check(record)
        origin = Origin(
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
        headers = dead_letter_headers(origin)
        if poison.others_pass:
            headers += ((OTHERS_PASS, b"yes"),)
        try:
            position = await self._send(record, original_headers(record.headers) + headers)
        except PoisonRecord as too_large:
            log.warning("the dead letter is cut", record=str(record), reason=str(too_large))
            position = await self._send_cut(record, headers)
        if not poison.others_pass:
            self._limit.poisoned(record)
        return position

    async def _recall(self, topic: str) -> None:
        if self._earlier is not None and topic not in self._recalled:
            self._limit.recall(await self._earlier(topic))
            self._recalled.add(topic)

    async def _send(self, record: Record, headers: Headers) -> Position:
        return await self._producer.send(
            OutgoingRecord(
                topic=record.topic + self._suffix,
                key=record.key,
                # Kafka's client refuses a record of nothing at all.
                value=b"" if record.key is None and record.value is None else record.value,
                headers=headers,
            )
        )

    async def _send_cut(self, record: Record, headers: Headers) -> Position:
        value = record.value or b""
        whole = (
            (ORIGINAL_BYTES, str(len(value)).encode()),
            (ORIGINAL_SHA256, sha256(value).hexdigest().encode()),
        )
        key = record.key if record.key is None or len(record.key) <= CUT_BYTES else record.key[:CUT_BYTES]
        cut = replace(record, key=key, value=value[:CUT_BYTES])
        try:
            return await self._send(cut, headers + whole)
        except PoisonRecord as refused:
            raise DeadLetterRefused(
                f"no dead letter can be written for {record}, which is not done: {refused}. Raise "
                f"max.message.bytes of {record.topic + self._suffix} (the topic file says it), then "
                "start again"
            ) from refused


def dead_letter_headers(origin: Origin) -> Headers:
    """Write an origin as headers."""
    return (
        ("dlq-reason", origin.reason.encode()),
        ("dlq-error", _cut(origin.error)),
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


def _cut(error: str) -> bytes:
    encoded = error.encode("utf-8", "replace")
    return encoded[:MOST_ERROR_BYTES].decode("utf-8", "ignore").encode()


def original_headers(headers: Headers) -> Headers:
    """Give the headers that the record had before it became a dead letter."""
    return tuple((name, value) for name, value in headers if not name.startswith(HEADER_PREFIX))

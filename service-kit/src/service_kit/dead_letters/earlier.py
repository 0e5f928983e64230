"""Whose records the same release moved to the dead letters a short while ago, told from the topic itself.

A process that is started again after `DeadLetterLimitExceeded` knows nothing of its predecessor. Without this
it would move some more records to the dead letters with every start, and so drain the topic all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from service_kit.dead_letters.letters import OTHERS_PASS, DeadLetters, read_origin
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import Sender
from service_kit.kafka.records import Record
from service_kit.settings import KafkaSettings

WITHIN = timedelta(hours=1)
"""So long a dead letter counts after a restart: another try of the same release begins then."""
PER_PARTITION = 100
"""A record can be large, and the limit knows no more senders than these."""


def open_dead_letters(kafka: KafkaSettings, producer: Sender, *, service: str, version: str) -> DeadLetters:
    """Return dead letters whose limit outlives restarts; give a producer of `dead_letters.MOST_BYTES`."""
    earlier = EarlierDeadLetters(kafka, service=service, version=version)
    return DeadLetters(producer, service=service, version=version, earlier=earlier)


class EarlierDeadLetters:
    """Senders of the last dead letters of a service and version; reads when it is called."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        service: str,
        version: str,
        within: timedelta = WITHIN,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kafka = kafka
        self._service = service
        self._version = version
        self._within = within
        self._now = now

    async def __call__(self, topic: str) -> Sequence[bytes | None]:
        """Return the keys of the last records of a topic of dead letters (full name), newest first.

        Raises:
            TransientFailure: Kafka is away or has no such topic.
        """
        # Without values: of each partition there can be many megabytes.
        found: list[tuple[datetime, bytes | None]] = []
        since = self._now() - self._within
        reading = records_of(self._kafka, topic, last=PER_PARTITION, since=since)
        async with aclosing(reading) as records:
            async for record in records:
                if self._is_ours(record):
                    found.append((record.timestamp, record.key))
        found.sort(key=lambda each: each[0], reverse=True)
        return list(dict.fromkeys(key for _, key in found))

    def _is_ours(self, record: Record) -> bool:
        if OTHERS_PASS in dict(record.headers):
            return False
        try:
            origin = read_origin(record.headers)
        except (KeyError, ValueError):
            return False  # whatever else somebody wrote there
        return (origin.service, origin.version) == (self._service, self._version)

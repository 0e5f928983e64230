"""How far each consumer group is behind: in records, and in the time that its next record has waited."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from attendance_ops.log.positions import GROUPS, positions_of
from attendance_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS
from service_kit.kafka.bounded_reading import bounds_of, records_until
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one group in one topic. waited: since the oldest record that is not done was written; None: none."""

    group: str
    topic: str
    records: int
    waited: timedelta | None

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        seconds = None if self.waited is None else round(self.waited.total_seconds(), 1)
        return {"group": self.group, "topic": self.topic, "records": self.records, "waited_seconds": seconds}


async def lags(kafka: KafkaSettings, now: datetime | None = None) -> list[Lag]:
    """Return the lag of every group in every topic in which it has a position. Raises TransientFailure."""
    found = []
    for group in GROUPS:
        positions = await positions_of(kafka, group)
        found += await _lags_of(kafka, group, positions, now or datetime.now(UTC))
    return found


async def _lags_of(
    kafka: KafkaSettings, group: str, positions: Mapping[TopicPartition, int], now: datetime
) -> list[Lag]:
    ours = {each: at for each, at in positions.items() if _is_ours(kafka, each.topic)}
    bounds = await bounds_of(kafka, list(ours))
    starts = {each: max(at, bounds[each][0]) for each, at in ours.items() if at < bounds[each][1]}
    oldest = await _written_at(kafka, starts)
    topics: dict[str, Lag] = {}
    for each in sorted(ours):
        topic = each.topic.removeprefix(kafka.topic_prefix)
        before = topics.get(topic, Lag(group, topic, 0, None))
        waited = now - oldest[each] if each in oldest else None
        topics[topic] = Lag(
            group,
            topic,
            before.records + (bounds[each][1] - starts[each] if each in starts else 0),
            max(filter(None, (before.waited, waited)), default=None),
        )
    return list(topics.values())


def _is_ours(kafka: KafkaSettings, topic: str) -> bool:
    name = topic.removeprefix(kafka.topic_prefix).removesuffix(DEAD_LETTER_SUFFIX)
    return topic.startswith(kafka.topic_prefix) and name in TOPICS


async def _written_at(
    kafka: KafkaSettings, starts: Mapping[TopicPartition, int]
) -> dict[TopicPartition, datetime]:
    """Return when the first record at or after each offset was written."""
    found: dict[TopicPartition, datetime] = {}
    ends = {each: at + 1 for each, at in starts.items()}
    async with aclosing(records_until(kafka, starts, ends)) as chunks:
        async for chunk in chunks:
            for record in chunk.records:
                found.setdefault(record.topic_partition, record.timestamp)
    return found

"""What lies in each topic, how fast it comes in, and when the last record came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from attendance_schemas.apply import all_topics
from service_kit.kafka.bounded_reading import bounds_of, offsets_at, partitions_of
from service_kit.settings import KafkaSettings

RECENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class TopicState:
    """Of one topic: offsets that it has, and those of the last five minutes."""

    topic: str
    partitions: int
    records: int
    recent: int

    @property
    def per_minute(self) -> float:
        """Return the records a minute, of the last five."""
        return self.recent / (RECENT.total_seconds() / 60)

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "topic": self.topic,
            "partitions": self.partitions,
            "records": self.records,
            "per_minute": round(self.per_minute, 1),
        }


async def topic_states(kafka: KafkaSettings, now: datetime | None = None) -> list[TopicState]:
    """Return the state of every topic of the contract.

    Raises:
        TransientFailure: Kafka is away, or a topic was not made.
    """
    topics = [topic.name for topic in all_topics()]
    partitions = await partitions_of(kafka, *map(kafka.topic, topics))
    bounds = await bounds_of(kafka, partitions)
    recent = await offsets_at(kafka, partitions, (now or datetime.now(UTC)) - RECENT)
    found = []
    for topic in topics:
        ours = [each for each in partitions if each.topic == kafka.topic(topic)]
        held = sum(bounds[each][1] - bounds[each][0] for each in ours)
        new = sum(bounds[each][1] - at for each in ours if (at := recent[each]) is not None)
        found.append(TopicState(topic, len(ours), held, new))
    return found

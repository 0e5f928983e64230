"""Offsets that somebody noted of a topic, held against the topic that is there now."""

from __future__ import annotations

from collections.abc import Mapping

from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity, identify_topics
from service_kit.settings import KafkaSettings


async def why_not_of(
    kafka: KafkaSettings, topic: str, identity: TopicIdentity, ends: Mapping[TopicPartition, int]
) -> str | None:
    """Say why offsets are not those of a topic (full name); None: they are, or expired.

    identity: of the topic that they were noted of. ends: of its partitions, exclusive.

    Raises:
        TransientFailure: Kafka is away.
    """
    if (await identify_topics(kafka, [topic])).get(topic) != identity:
        return f"{topic} is not the topic that was planned for: it was made again"
    if unknown := ends.keys() - set(await partitions_of(kafka, topic)):
        return f"{topic} has no partition {min(unknown).partition}"
    for each, (_, end) in sorted((await bounds_of(kafka, list(ends))).items()):
        if ends[each] > end:
            return f"partition {each.partition} of {topic} ends at {end}, and the plan at {ends[each]}"
    return None

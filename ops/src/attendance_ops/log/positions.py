"""How far a consumer group is, asked again for a moment while its coordinator is being found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, ENROLMENTS
from service_kit.errors import TransientFailure
from service_kit.kafka.group_offsets import group_offsets
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings

# Groups by the service's name, without the prefix of the installation.
RECOGNITION, PROJECTION = GROUPS = "recognition-worker", "attendance-projector"
_RECOGNISED = frozenset({CAPTURES.name, CAPTURES_BACKLOG.name, ENROLMENTS.name})
# A cluster that has had no group yet makes the topic of their positions first.
PATIENCE, ASK_AGAIN = timedelta(seconds=10), timedelta(seconds=0.5)


def reader_of(topic: str) -> str:
    """Return the group that acts upon the facts of a topic."""
    return RECOGNITION if topic in _RECOGNISED else PROJECTION


async def positions_of(kafka: KafkaSettings, group: str) -> Mapping[TopicPartition, int]:
    """Return the next offset of each partition for which a group (without prefix) has a position.

    Raises:
        TransientFailure: Kafka is away, or does not tell.
    """
    until = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            return await group_offsets(kafka, kafka.group(group))
        except TransientFailure as error:
            if "GroupCoordinatorNotAvailable" not in error.detail or time.monotonic() > until:
                raise
        await asyncio.sleep(ASK_AGAIN.total_seconds())

"""The positions that Kafka keeps for a group; an answer that was refused is never "none".

aiokafka asks in a form in which the coordinator refuses for the whole group at once, and looks for refusals
at each partition only. A coordinator that is still loading the group, or has handed it on, so looks like a
group without positions. Source: https://kafka.apache.org/protocol, OffsetFetch, version 2.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings


async def group_offsets(kafka: KafkaSettings, group: str) -> Mapping[TopicPartition, int]:
    """Return the next offset of each partition for which a group (full name) has a position.

    Raises:
        TransientFailure: Kafka is away, or does not tell.
    """
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        try:
            await admin.start()
            return await offsets_from(admin, group)
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise TransientFailure("kafka", f"positions of {group}: {error!r}") from error


async def offsets_from(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, int]:
    """Ask by a client that is connected; raises what the client raises, and what the coordinator refuses."""
    coordinator = await admin.find_coordinator(group)
    # Its own method leaves the error out that is looked at here.
    answer = await admin._send_request(OffsetFetchRequest(group, None), coordinator)
    codes = {answer.error_code, *(code for _, parts in answer.topics for *_, code in parts)}
    if refused := codes - {0}:
        raise for_code(min(refused))(group)
    return {
        TopicPartition(topic, number): offset
        for topic, parts in answer.topics
        for number, offset, *_ in parts
        if offset >= 0
    }

"""A broker that is not, or no longer, the coordinator of a group tells no positions; it has not "none"."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NotCoordinatorForGroupError

from local_stack.running.stack import Stack
from service_kit.kafka.group_offsets import group_offsets, offsets_from
from service_kit.settings import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.cluster, pytest.mark.timeout(300)]


@contextmanager
def remembering(admin: AIOKafkaAdminClient, node: int) -> Iterator[SimpleNamespace]:
    """A client that still takes a broker for the coordinator."""

    async def find_coordinator(_group: str) -> int:
        return node

    yield SimpleNamespace(find_coordinator=find_coordinator, _send_request=admin._send_request)


async def test_a_broker_that_does_not_coordinate_a_group_is_not_believed(
    three_brokers: Stack, topic_prefix: str
) -> None:
    servers, group = three_brokers.env.kafka_bootstrap_servers, f"{topic_prefix}workers"
    partitions = [TopicPartition(f"{topic_prefix}captures", number) for number in (0, 1)]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    try:
        await admin.create_topics([NewTopic(partitions[0].topic, 2, 3)])
        await consumer.start()
        async with asyncio.timeout(60):
            while partitions[0].topic not in await consumer.topics():
                await consumer._client.force_metadata_update()
        consumer.assign(partitions)
        await consumer.commit({partitions[0]: 5, partitions[1]: 9})
        told = await group_offsets(KafkaSettings(bootstrap_servers=servers), group)
        assert {each.partition: offset for each, offset in told.items()} == {0: 5, 1: 9}

        coordinator = await admin.find_coordinator(group)
        brokers = (await admin.describe_cluster())["brokers"]
        others = sorted(broker["node_id"] for broker in brokers if broker["node_id"] != coordinator)
        assert len(others) == 2
        for node in others:
            with remembering(admin, node) as stale, pytest.raises(NotCoordinatorForGroupError):
                await offsets_from(stale, group)  # type: ignore[arg-type]
    finally:
        await consumer.stop()
        await admin.close()

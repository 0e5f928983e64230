"""A log that loses records while a consumer runs: the consumer says so, and never goes on elsewhere."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attendance_testing.lost_records import delete_before
from service_kit.errors import LogLost, TransientFailure
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record, TopicPartition
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]
TIMEOUT = timedelta(seconds=1)


class Kept:
    """Positions as an application keeps them."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}

    async def __call__(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {each: self.next[each] for each in partitions if each in self.next}


async def send(kafka: KafkaSettings, topic: str, *values: str) -> None:
    async with RecordProducer(kafka) as producer:
        for value in values:
            await producer.send(OutgoingRecord(topic, b"k", value.encode()))


async def fetched(source: RecordSource) -> list[Record]:
    while not (batches := await source.fetch(TIMEOUT)):
        pass
    return [record for batch in batches for record in batch.records]


async def fetched_until_raised(source: RecordSource) -> None:
    """Fetch on, also across what a client hears while a topic goes and comes."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(TransientFailure):
                await source.fetch(TIMEOUT)


async def make_again(kafka: KafkaSettings, topic: str) -> None:
    """Delete a topic and create it under the same name."""
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(60):
            while (await admin.create_topics([NewTopic(topic, 1, 1)])).topic_errors[0][1]:
                pass
    finally:
        await admin.close()


async def test_records_that_are_deleted_before_a_consumer_comes_to_them_are_told(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 1)
    partition, kept = TopicPartition(topic, 0), Kept()
    source = RecordSource(kafka, [topic], kafka.group("group"), positions=kept)
    try:
        # A group that never committed anything begins at the beginning, since nothing was consumed.
        await send(kafka, topic, "a", "b")
        (first, second) = await fetched(source)
        kept.next[partition] = second.committable.next_offset
        await source.commit([first.committable, second.committable])
        source.pause(partition)
        assert await source.fetch(timedelta(seconds=2)) == []  # the request that was on its way is answered
        await send(kafka, topic, "c", "d", "e")
        await delete_before(kafka.bootstrap_servers, topic, 0, 4)
        source.resume(partition)
        with pytest.raises(TransientFailure, match="OffsetOutOfRange"):
            await fetched(source)
        with pytest.raises(LogLost, match=r"begins at 4, and 2 comes next: 2 records were deleted"):
            await fetched(source)
        # Accepted:
        kept.next[partition] = 4
        (last,) = await fetched(source)
        assert last.value == b"e"
    finally:
        await source.stop()


async def test_a_topic_made_again_and_as_long_as_before_is_told_while_it_is_read(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Its offsets go on as if nothing had happened: only its id tells."""
    topic = await make_topic("things", 1)
    source = RecordSource(
        kafka, [topic], kafka.group("group"), positions=Kept(), lag_interval=timedelta(seconds=0.2)
    )
    try:
        await send(kafka, topic, "a", "b")
        _, second = await fetched(source)
        await source.commit([second.committable])
        await make_again(kafka, topic)
        await send(kafka, topic, *"abcdefgh")
        with pytest.raises(LogLost, match=f"{topic}: made again while it was read"):
            await fetched_until_raised(source)
    finally:
        await source.stop()

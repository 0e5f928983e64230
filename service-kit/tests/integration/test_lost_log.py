"""A log that loses records while a consumer runs: the consumer says so, and never goes on elsewhere."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta

import pytest

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

"""Reading up to the end, on real Kafka: gaps, empty partitions, given ends, an instant, nobody there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiokafka
import pytest

from attendance_testing.lost_records import delete_before
from service_kit.errors import LogLost, TransientFailure
from service_kit.kafka.bounded_reading import Chunk, beginnings, bounds_of, records_of, records_until
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Position, Record, TopicPartition
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]
COMPACTED_SOON = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "max.compaction.lag.ms": "100",
}


async def send(kafka: KafkaSettings, topic: str, *values: str, key: bytes | None = None) -> list[Position]:
    async with RecordProducer(kafka) as producer:
        return [
            await producer.send(OutgoingRecord(topic, key or value.encode(), value.encode()))
            for value in values
        ]


def ends_of(positions: list[Position]) -> dict[TopicPartition, int]:
    return {each.topic_partition: each.next_offset for each in positions}


async def chunks_of(kafka: KafkaSettings, *what: dict[TopicPartition, int], **how: object) -> list[Chunk]:
    async with asyncio.timeout(60):
        return [chunk async for chunk in records_until(kafka, *what, **how)]  # type: ignore[arg-type]


def values(records: list[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


async def test_a_topic_is_read_to_its_end_and_no_further(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 3)
    sent = [str(number) for number in range(40)]
    await send(kafka, topic, *sent)
    reading = aiter(records_of(kafka, topic))
    found = [await anext(reading)]
    await send(kafka, topic, "later")
    found += [record async for record in reading]
    assert sorted(values(found), key=int) == sent
    for number in range(3):
        offsets = [record.offset for record in found if record.partition == number]
        assert offsets == list(range(len(offsets)))


async def test_empty_partitions_end_at_once(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 8)
    assert [record async for record in records_of(kafka, topic)] == []
    await send(kafka, topic, "one")
    assert values([record async for record in records_of(kafka, topic)]) == ["one"]


async def test_records_since_an_instant(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 2)
    await send(kafka, topic, "a", "b")
    (*_, last) = sorted([record async for record in records_of(kafka, topic)], key=lambda r: r.timestamp)
    since = last.timestamp + timedelta(milliseconds=1)
    assert [record async for record in records_of(kafka, topic, since=since)] == []
    await send(kafka, topic, "c", "d")
    assert sorted(values([record async for record in records_of(kafka, topic, since=since)])) == ["c", "d"]


async def test_what_compaction_took_does_not_hold_up_the_end(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 1, **COMPACTED_SOON)
    first = await send(kafka, topic, *(str(number) for number in range(20)), key=b"same")
    until = ends_of(first)
    async with asyncio.timeout(120):  # the broker's cleaner looks every 15 s
        while (left := [record async for record in records_of(kafka, topic)])[0].offset < len(first):
            await asyncio.sleep(0.5)
            await send(kafka, topic, "newer", key=b"same")
    assert set(values(left)) == {"newer"}
    chunks = await chunks_of(kafka, {}, until)
    assert [record for chunk in chunks for record in chunk.records] == []
    assert [each for chunk in chunks for each in chunk.complete] == [first[-1]]


async def test_partitions_are_read_from_positions_to_ends(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 1)
    positions = await send(kafka, topic, *(str(number) for number in range(10)))
    (partition,) = ends_of(positions)
    assert await beginnings(kafka, [partition]) == {partition: 0}
    chunks = await chunks_of(kafka, {partition: 3}, {partition: 7}, max_records=2)
    assert [values(chunk.records) for chunk in chunks] == [["3", "4"], ["5", "6"]]
    assert [chunk.complete for chunk in chunks] == [[], [Position(topic, 0, 7)]]
    assert await chunks_of(kafka, {partition: 7}, {partition: 7}) == []


async def test_a_group_sees_how_far_it_is(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic, group = await make_topic("things", 1), kafka.group("rebuild")
    await send(kafka, topic, *(str(number) for number in range(10)))
    partition = TopicPartition(topic, 0)
    await chunks_of(kafka, {}, {partition: 10}, group=group, max_records=5, commit_every=timedelta(0))
    async with aiokafka.AIOKafkaConsumer(group_id=group, **kafka.client_options()) as consumer:
        assert await consumer.committed(aiokafka.TopicPartition(*partition)) == 10


async def test_nobody_there_is_said(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(TransientFailure, match="kafka"):
        [record async for record in records_of(nowhere, "things")]
    with pytest.raises(TransientFailure, match="no topic"):
        [record async for record in records_of(kafka, kafka.topic("absent"))]


async def test_an_end_that_the_log_does_not_reach_is_said_at_once(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 1)
    await send(kafka, topic, "one")
    with pytest.raises(LogLost, match=r"things\[0\] ends at 1, and everything before 5 was consumed"):
        await chunks_of(kafka, {}, {TopicPartition(topic, 0): 5})


async def test_records_that_were_deleted_are_never_passed_over(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 1)
    partition = TopicPartition(topic, 0)
    await send(kafka, topic, *(str(number) for number in range(10)))
    await delete_before(kafka.bootstrap_servers, topic, 0, 6)
    assert await bounds_of(kafka, [partition]) == {partition: (6, 10)}
    with pytest.raises(LogLost, match=r"begins at 6, and 4 comes next: 2 records were deleted"):
        await chunks_of(kafka, {partition: 4}, {partition: 10})
    for positions in ({}, {partition: 6}):
        (chunk,) = await chunks_of(kafka, positions, {partition: 10})
        assert values(chunk.records) == ["6", "7", "8", "9"]

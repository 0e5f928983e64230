"""A topic and its archive, read as one, on real Kafka and a real store: the same as before the deletion."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import aiokafka
import pytest

from attendance_testing.archives import store_of
from attendance_testing.lost_records import delete_before
from local_stack.environment import StackEnv
from service_kit.archive.draft import Chain, Limits
from service_kit.archive.manifest import Contents, Manifest, Series
from service_kit.archive.store import Archive
from service_kit.archive.verify import Verdict, verify_series
from service_kit.archive.whole_log import WholeLog
from service_kit.archive.writer import Writer, end_of
from service_kit.errors import ArchiveBroken, LogLost
from service_kit.kafka.bounded_reading import bounds_of, offsets_at, records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record, TopicPartition
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]
COUNT = 23
FILE = Limits(records=5)


@pytest.fixture
async def store(stack: StackEnv) -> AsyncIterator[ObjectStore]:
    store = store_of(stack)
    yield store
    await store.close()


@pytest.fixture
def archive(store: ObjectStore, bucket: str) -> Archive:
    return Archive(store, bucket)


async def send(kafka: KafkaSettings, topic: str, count: int = COUNT) -> list[Record]:
    """Publish records of every shape, and return what the topic holds."""
    async with RecordProducer(kafka) as producer:
        for number in range(count):
            key = None if number % 3 == 0 else b"k\xff%d" % number
            value = None if key and number % 7 == 1 else bytes([number]) * number
            headers = (("name", b"\x00\xfe"), ("name", b"")) if number % 2 else ()
            await producer.send(OutgoingRecord(topic, key, value, headers))
    return [record async for record in records_of(kafka, topic)]


async def series_of(kafka: KafkaSettings, topic: str) -> Series:
    found = (await identify_topics(kafka, [topic]))[topic]
    return Series(topic=topic, topic_id=found.topic_id, cluster_id=found.cluster_id, partition=0)


async def archived(kafka: KafkaSettings, archive: Archive, topic: str, limits: Limits = FILE) -> Writer:
    """Archive what a topic of one partition has."""
    series = await series_of(kafka, topic)
    _, end = (await bounds_of(kafka, [TopicPartition(topic, 0)]))[topic, 0]
    writer = Writer(kafka, archive, series, limits)
    await writer.archive_until(await end_of(archive, series, end), end)
    return writer


async def verified(archive: Archive, topic: str) -> Verdict:
    (listed,) = await archive.listed(topic)
    return await verify_series(archive, listed)


async def read(
    whole: WholeLog, topic: str, end: int, position: int | None = None, **how: object
) -> tuple[list[Record], list[int]]:
    """Return the records from a position to an end, and where partitions were complete."""
    partition = TopicPartition(topic, 0)
    positions = {} if position is None else {partition: position}
    chunks = [each async for each in whole.records_until(positions, {partition: end}, **how)]
    complete = [position.next_offset for each in chunks for position in each.complete]
    return [record for each in chunks for record in each.records], complete


def shapes(records: list[Record]) -> list[tuple]:
    return [(each.offset, each.key, each.value, each.headers, each.timestamp) for each in records]


async def test_wherever_kafka_begins_the_whole_reads_the_same(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    there = await send(kafka, topic)
    assert len((await archived(kafka, archive, topic)).written) == 5
    whole = WholeLog(kafka, archive)
    for begins in (0, 4, 5, 11, 20, COUNT):
        await delete_before(kafka.bootstrap_servers, topic, 0, begins)
        partition = TopicPartition(topic, 0)
        assert (await whole.bounds_of([partition]))[partition] == (0, begins, COUNT)
        for position in (None, 0, 3, 5, begins, 21):
            found, complete = await read(whole, topic, COUNT, position, max_records=3)
            assert shapes(found) == shapes(there[position or 0 :]), (begins, position)
            assert complete == ([COUNT] if position != COUNT else [])
            # Where the reader stood when it read on: no gap between one record and the next.
            assert [each.read_from for each in found] == [each.offset for each in found]
        part, complete = await read(whole, topic, 13, 2)
        assert (shapes(part), complete) == (shapes(there[2:13]), [13])
    with pytest.raises(LogLost, match="begins at 23, and 3 comes next"):
        await read(WholeLog(kafka), topic, COUNT, 3)


async def test_times_are_found_in_the_archive_as_kafka_found_them(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    there = await send(kafka, topic)
    await archived(kafka, archive, topic)
    partition, step = TopicPartition(topic, 0), timedelta(milliseconds=1)
    instants = [there[0].timestamp - timedelta(days=1)]
    instants += [each.timestamp + of for each in there for of in (-step, timedelta(0), step)]
    before: dict[datetime, int | None] = {
        each: (await offsets_at(kafka, [partition], each))[partition] for each in instants
    }
    await delete_before(kafka.bootstrap_servers, topic, 0, 17)
    whole = WholeLog(kafka, archive)
    for instant, offset in before.items():
        assert await whole.offsets_at([partition], instant) == {partition: offset}, instant
    await delete_before(kafka.bootstrap_servers, topic, 0, COUNT)
    for instant, offset in before.items():
        assert await whole.offsets_at([partition], instant) == {partition: offset}, instant


async def test_what_expired_before_it_was_archived_is_recorded_and_told(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic, partition = await make_topic(), TopicPartition
    await send(kafka, topic)
    await delete_before(kafka.bootstrap_servers, topic, 0, 3)
    writer = await archived(kafka, archive, topic)
    assert writer.written[0].contents.gaps[0].model_dump() == {"first": 0, "end": 3, "why": "before"}
    whole = WholeLog(kafka, archive)
    there = await send(kafka, topic)
    await delete_before(kafka.bootstrap_servers, topic, 0, COUNT + 6)
    # Nobody has said yet what is missing.
    for position in (None, 5):
        with pytest.raises(LogLost, match=f"archived up to {COUNT}, and Kafka begins at {COUNT + 6}"):
            await read(whole, topic, 2 * COUNT, position)
    writer = await archived(kafka, archive, topic)
    assert writer.written[0].contents.first_offset == COUNT
    assert sum(each.contents.lost for each in writer.written) == 6
    gone = [(0, 3), (COUNT, COUNT + 6)]
    span = {partition(topic, 0): (0, 2 * COUNT)}
    assert [(gap.first, gap.end) for gap in (await whole.losses(span))[topic, 0]] == gone
    found, _ = await read(whole, topic, 2 * COUNT)
    assert [each.offset for each in found] == [*range(3, COUNT), *range(COUNT + 6, 2 * COUNT)]
    assert shapes(found[-5:]) == shapes(there[-5:])
    # A position that came to the gap does not look set back behind it.
    after, _ = await read(whole, topic, 2 * COUNT, COUNT)
    assert (after[0].offset, after[0].read_from) == (COUNT + 6, COUNT)
    await delete_before(kafka.bootstrap_servers, topic, 0, 2 * COUNT)
    assert [each.offset for each in (await read(whole, topic, 2 * COUNT, COUNT))[0]] == [
        each.offset for each in after
    ]
    verdict = await verified(archive, topic)
    assert (verdict.lost, verdict.missing, verdict.duplicate, verdict.problems) == (6, 0, 0, [])
    assert verdict.next_offset == 2 * COUNT


async def test_the_ends_of_transactions_are_no_loss(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    producer = aiokafka.AIOKafkaProducer(transactional_id=topic, **kafka.client_options())
    async with producer:
        for _ in range(4):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"in a transaction")
    writer = await archived(kafka, archive, topic, Limits(records=2))
    gaps = [(gap.first, gap.why) for each in writer.written for gap in each.contents.gaps]
    assert gaps == [(1, "absent"), (3, "absent"), (5, "absent"), (7, "absent")]
    verdict = await verified(archive, topic)
    assert (verdict.records, verdict.next_offset, verdict.is_whole, verdict.lost) == (4, 8, True, 0)
    await delete_before(kafka.bootstrap_servers, topic, 0, 8)
    whole = WholeLog(kafka, archive)
    assert [each.offset for each in (await read(whole, topic, 8))[0]] == [0, 2, 4, 6]
    assert await whole.losses({TopicPartition(topic, 0): (0, 8)}) == {}


async def test_who_comes_second_reads_what_the_first_wrote(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    await send(kafka, topic)
    series = await series_of(kafka, topic)
    fast, slow = (Writer(kafka, archive, series, limits) for limits in (Limits(9), Limits(4)))
    await fast.archive_until(Chain(), 9)
    # It believes that nothing is archived, and its files would end elsewhere.
    assert (await slow.archive_until(Chain(), COUNT)).next_offset == COUNT
    assert slow.written[0].contents.first_offset == 9
    verdict = await verified(archive, topic)
    assert (verdict.records, verdict.is_whole) == (COUNT, True)


async def test_the_manifest_of_a_writer_that_was_killed_is_written_by_the_next(
    kafka: KafkaSettings, archive: Archive, store: ObjectStore, bucket: str, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    await send(kafka, topic)
    writer = await archived(kafka, archive, topic)
    series, last = await series_of(kafka, topic), writer.written[-1]
    await store.delete(bucket, series.manifest_name(last.contents.first_offset))
    assert (await archived(kafka, archive, topic)).written == []
    assert await archive.stored_manifest(series, last.contents.first_offset) == last


async def test_an_archive_that_is_past_its_log_is_refused(
    kafka: KafkaSettings, archive: Archive, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    await send(kafka, topic)
    await archived(kafka, archive, topic)
    with pytest.raises(LogLost, match="ends at 12, and its archive at 23"):
        await end_of(archive, await series_of(kafka, topic), 12)


@pytest.mark.parametrize(
    "harm", ["gone", "changed", "cut", "manifest gone", "both gone", "doubled", "foreign"]
)
async def test_every_harm_is_seen(
    kafka: KafkaSettings,
    archive: Archive,
    store: ObjectStore,
    bucket: str,
    make_topic: MakeTopic,
    harm: str,
) -> None:
    topic = await make_topic()
    await send(kafka, topic)
    await archived(kafka, archive, topic)
    assert (await verified(archive, topic)).is_whole
    series = await series_of(kafka, topic)
    data, manifest = series.data_name(5), series.manifest_name(5)
    content = await store.get(bucket, data)
    match harm:
        case "gone":
            await store.delete(bucket, data)
        case "changed":
            await store.put(bucket, data, content.replace(b"\x07\x07", b"\x07\x08", 1)[:-1] + b"?", "a/b")
        case "cut":
            await store.put(bucket, data, content[: len(content) // 2], "a/b")
        case "manifest gone":
            await store.delete(bucket, manifest)
        case "both gone":
            await store.delete(bucket, data)
            await store.delete(bucket, manifest)
        case "doubled":
            await store.put(bucket, series.data_name(7), content, "a/b")
            await store.put(bucket, series.manifest_name(7), await store.get(bucket, manifest), "a/b")
        case "foreign":
            other = await make_topic("others")
            await send(kafka, other)
            await archived(kafka, archive, other)
            theirs = await series_of(kafka, other)
            await store.put(bucket, data, await store.get(bucket, theirs.data_name(5)), "a/b")
            await store.put(bucket, manifest, await store.get(bucket, theirs.manifest_name(5)), "a/b")
    verdict = await verified(archive, topic)
    assert not verdict.is_whole
    assert any(data in each or manifest in each or series.data_name(7) in each for each in verdict.problems)
    if harm in ("gone", "changed", "cut", "both gone"):
        assert verdict.missing == (5 if harm != "changed" or verdict.files < 5 else 0)
        await delete_before(kafka.bootstrap_servers, topic, 0, COUNT)
        with pytest.raises((ArchiveBroken, LogLost)):
            await read(WholeLog(kafka, archive), topic, COUNT)


class Meanwhile(Archive):
    """An archive during whose first write something happens."""

    def __init__(self, store: ObjectStore, bucket: str, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(store, bucket)
        self._happens: list[Callable[[], Awaitable[object]]] = [happens]

    async def put(self, contents: Contents, records: Sequence[Record]) -> tuple[Manifest, bool]:
        while self._happens:
            await self._happens.pop()()
        return await super().put(contents, records)


async def test_what_expires_while_it_is_read_is_lost_and_said(
    kafka: KafkaSettings, store: ObjectStore, bucket: str, make_topic: MakeTopic
) -> None:
    topic, count, begins = await make_topic(), 40, 35
    async with RecordProducer(kafka) as producer:
        for _ in range(count):  # far more than a client fetches ahead
            await producer.send(OutgoingRecord(topic, None, os.urandom(300_000)))
    archive = Meanwhile(store, bucket, lambda: delete_before(kafka.bootstrap_servers, topic, 0, begins))
    writer = await archived(kafka, archive, topic, Limits(records=2))
    gaps = [gap for each in writer.written for gap in each.contents.gaps]
    assert [(gap.end, gap.why) for gap in gaps] == [(begins, "lost")]
    verdict = await verified(archive, topic)
    assert (verdict.records + verdict.lost, verdict.next_offset, verdict.is_whole) == (count, count, True)
    assert verdict.lost > 0


async def test_a_snapshot_has_what_came_while_it_was_read(
    kafka: KafkaSettings, store: ObjectStore, bucket: str, make_topic: MakeTopic
) -> None:
    topic = await make_topic(**{"cleanup.policy": "compact"})

    async def told(number: int) -> None:
        async with RecordProducer(kafka) as producer:
            await producer.send(OutgoingRecord(topic, b"key", b"%d" % number))

    for number in range(3):
        await told(number)
    archive = Meanwhile(store, bucket, lambda: told(3))
    series = (await series_of(kafka, topic)).model_copy(update={"snapshot_end": 3})
    writer = Writer(kafka, archive, series, Limits(records=2))
    assert await writer.snapshot(Chain()) == Chain.after(writer.written[-1])
    assert Chain.after(writer.written[-1])[::3] == (4, True)
    verdict = await verified(archive, topic)
    assert (verdict.records, verdict.is_complete, verdict.is_whole) == (4, True, True)

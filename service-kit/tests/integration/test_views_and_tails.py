import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import CompactedView
from service_kit.views.followed_topic import FollowedTopic
from service_kit.views.topic_reader import StartAt, TopicReader

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]
SOON = timedelta(seconds=10)


class State:
    def __init__(self) -> None:
        self.values: dict[bytes | None, bytes] = {}

    def apply(self, record: Record) -> None:
        if record.value is None:
            self.values.pop(record.key, None)
        elif record.value == b"poison":
            raise PoisonRecord("undecodable")
        else:
            self.values[record.key] = record.value


async def test_a_view_is_complete_and_follows(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 3, **{"cleanup.policy": "compact"})
    state = State()
    async with RecordProducer(kafka) as producer:
        for number in range(50):
            await producer.send(OutgoingRecord(topic, f"k{number % 10}".encode(), str(number).encode()))
        await producer.send(OutgoingRecord(topic, b"k3", None))
        await producer.send(OutgoingRecord(topic, b"k4", b"poison"))
        async with CompactedView(kafka, topic, state.apply) as view:
            assert view.ready
            expected = {f"k{n}".encode(): str(40 + n).encode() for n in range(10) if n != 3}
            assert state.values == expected
            await view.check()

            position = await producer.send(OutgoingRecord(topic, b"k3", b"back"))
            assert await view.reached(position, SOON)
            assert state.values[b"k3"] == b"back"
            beyond = type(position)(position.topic, position.partition, position.next_offset + 1)
            assert not await view.reached(beyond, timedelta(milliseconds=50))
    with pytest.raises(TransientFailure):
        await view.check()


async def test_what_was_acknowledged_before_is_seen_after_catching_up(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 3, **{"cleanup.policy": "compact"})
    state = State()
    view = CompactedView(kafka, topic, state.apply)
    with pytest.raises(TransientFailure):
        await view.caught_up(SOON)
    async with RecordProducer(kafka) as producer, view:
        for number in range(30):
            await producer.send(OutgoingRecord(topic, f"k{number}".encode(), b"v"))
            assert await view.caught_up(SOON)
            assert len(state.values) == number + 1
        await producer.send(OutgoingRecord(topic, b"k0", None))
        assert await view.caught_up(SOON)
        assert b"k0" not in state.values


async def test_a_view_of_an_empty_topic_is_complete_at_once(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    async with CompactedView(kafka, topic, State().apply, start_timeout=SOON) as view:
        assert view.ready


async def test_who_closes_a_view_at_once_leaves_no_connection_open(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    for _ in range(20):
        async with CompactedView(kafka, topic, State().apply, start_timeout=SOON):
            pass
    gc.collect()  # what is open is told now, and fails the test


async def test_a_view_notices_new_partitions(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 1)
    state = State()
    quickly = timedelta(seconds=1)
    async with CompactedView(kafka, topic, state.apply, metadata_max_age=quickly) as view:
        admin = AIOKafkaAdminClient(**kafka.client_options())
        await admin.start()
        await admin.create_partitions({topic: NewPartitions(4)})
        await admin.close()
        async with RecordProducer(kafka) as fresh:
            positions = [await fresh.send(OutgoingRecord(topic, f"k{n}".encode(), b"v")) for n in range(20)]
        assert {position.partition for position in positions} == {0, 1, 2, 3}
        for position in positions:
            assert await view.reached(position, timedelta(seconds=60))
    assert len(state.values) == 20


async def test_a_bug_in_apply_ends_the_view_loudly(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things")

    def apply(record: Record) -> None:
        raise ZeroDivisionError

    view = CompactedView(kafka, topic, apply)
    await view.start()
    async with RecordProducer(kafka) as producer:
        position = await producer.send(OutgoingRecord(topic, b"k", b"v"))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(view.join(), 10)
    with pytest.raises(ZeroDivisionError):
        await view.check()
    with pytest.raises(ZeroDivisionError):
        await view.reached(position, SOON)
    await view.stop()


async def test_start_says_when_kafka_is_away_or_the_topic_missing(kafka: KafkaSettings) -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(TransientFailure, match="kafka"):
        await CompactedView(nowhere, "things", State().apply, start_timeout=timedelta(seconds=2)).start()
    with pytest.raises(TransientFailure, match="no topic"):
        await CompactedView(kafka, kafka.topic("absent"), State().apply).start()


async def test_a_tail_gives_what_comes_after_its_start(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things", 2)
    seen: list[bytes | None] = []
    async with RecordProducer(kafka) as producer:
        await producer.send(OutgoingRecord(topic, b"a", b"before"))
        tail = TopicReader(kafka, topic, lambda record: seen.append(record.value), start_at=StartAt.END)
        await tail.open()
        for value in (b"1", b"2", b"3"):
            position = await producer.send(OutgoingRecord(topic, value, value))
            assert await tail.reached(position, SOON)
        await tail.close()
    assert seen == [b"1", b"2", b"3"]


async def fill(kafka: KafkaSettings, topic: str, count: int) -> None:
    async with RecordProducer(kafka, timeout=timedelta(seconds=30)) as producer:
        await producer.send_all([OutgoingRecord(topic, f"k{n}".encode(), b"v" * 100) for n in range(count)])


async def test_a_start_takes_as_long_as_it_goes_on(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things")
    await fill(kafka, topic, 40)
    patience = timedelta(seconds=0.5)

    async def slowly(_record: Record) -> None:
        await asyncio.sleep(0.05)

    view = CompactedView(kafka, topic, slowly, patience=patience)
    started = time.monotonic()
    async with view:
        assert view.records_left == 0
    assert time.monotonic() - started > 3 * patience.total_seconds()


async def test_a_start_that_stands_still_fails_and_says_how_much_is_left(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    await fill(kafka, topic, 40)
    applied = 0

    async def stand_still(_record: Record) -> None:
        nonlocal applied
        if applied == 10:
            await asyncio.Event().wait()
        applied += 1

    with pytest.raises(TransientFailure, match="30 records are left"):
        await CompactedView(kafka, topic, stand_still, patience=timedelta(seconds=1)).start()


async def test_others_run_while_a_view_is_read(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things")
    await fill(kafka, topic, 10_000)
    longest = 0.0

    def work(_record: Record) -> None:
        until = time.thread_time() + 0.0002
        while time.thread_time() < until:
            pass

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    ticking = asyncio.create_task(tick())
    async with CompactedView(kafka, topic, work):
        ticking.cancel()
    # Two seconds of work: a batch of the client alone takes 100 ms of it. By the processor, so that it does
    # not matter who else is on this machine.
    assert longest < 0.08


async def test_nothing_is_taken_in_while_a_record_waits(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic("things")
    await fill(kafka, topic, 5000)
    seen: list[bytes | None] = []
    may_go_on = asyncio.Event()

    async def apply(record: Record, _read_at: float) -> None:
        seen.append(record.key)
        if not may_go_on.is_set():
            raise TransientFailure("schema-registry", "away")

    followed = FollowedTopic(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), topic, apply)
    starting = asyncio.create_task(followed.start())
    async with asyncio.timeout(30):
        while len(seen) < 3:  # noqa: ASYNC110 - what is awaited happens in the view
            await asyncio.sleep(0.01)
    assert set(seen) == {b"k0"}
    with pytest.raises(TransientFailure, match="5000 records are left"):
        await followed.check()
    may_go_on.set()
    await starting
    assert len(set(seen)) == 5000
    await followed.stop()


class NotReadable(Exception):
    pass


async def test_a_record_that_nobody_can_read_yet_is_set_aside(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    applied: dict[bytes | None, bytes | None] = {}
    readable: set[bytes] = set()

    async def apply(record: Record, _read_at: float) -> None:
        if record.value is not None and record.value.startswith(b"new") and record.value not in readable:
            raise NotReadable
        applied[record.key] = record.value

    followed = FollowedTopic(
        KafkaSettings(bootstrap_servers=kafka.bootstrap_servers),
        topic,
        apply,
        aside=(NotReadable,),
        aside_again=timedelta(seconds=0.05),
    )
    async with RecordProducer(kafka) as producer:

        async def record(key: bytes, value: bytes | None) -> None:
            position = await producer.send(OutgoingRecord(topic, key, value))
            if followed.records_left == 0 and followed.seconds_behind:
                assert await followed.reached(position, SOON)

        for key, value in ((b"a", b"new 1"), (b"b", b"new 2"), (b"c", b"old")):
            await record(key, value)
        await followed.start()
        await followed.check()
        assert (applied, followed.set_aside) == ({b"c": b"old"}, 2)
        joining = asyncio.create_task(followed.join())
        # A later record of the key counts, and the one before it never does.
        await record(b"b", b"old 3")
        assert (applied[b"b"], followed.set_aside) == (b"old 3", 1)
        await record(b"c", None)
        readable.update({b"new 1", b"new 2"})
        async with asyncio.timeout(10):
            while followed.set_aside:  # noqa: ASYNC110 - what is awaited happens in the view
                await asyncio.sleep(0.01)
        assert applied == {b"a": b"new 1", b"b": b"old 3", b"c": None}
    await followed.stop()
    joining.cancel()

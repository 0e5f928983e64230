"""One suite for the delivery loop: on the fake broker, and on real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import aiokafka
import pytest

from attendance_testing.in_memory_broker import FakeBroker, FakeProducer, FakeSource
from service_kit.backoff import Backoff
from service_kit.dead_letters.letters import DeadLetters, read_origin
from service_kit.dead_letters.limit import DeadLetterLimit
from service_kit.errors import DeadLetterRefused
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.delivery import (
    DeadLetterLimitExceeded,
    DeliveryLoop,
    PoisonRecord,
    TransientFailure,
)
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.producer import RecordProducer, Sender
from service_kit.kafka.records import OutgoingRecord, Position, Record, TopicPartition
from service_kit.kafka.source import Positions, Source
from service_kit.settings import KafkaSettings

Eventually = Callable[..., Awaitable[None]]
MakeTopic = Callable[..., Awaitable[str]]


class Bench(Protocol):
    producer: Sender

    async def topic(self, name: str, partitions: int = 1) -> str: ...
    def source(self, topic: str, positions: Positions | None = None) -> Source: ...
    async def all_records(self, topic: str) -> list[Record]: ...
    async def committed(self, topic: str, partition: int = 0) -> int | None: ...


class FakeBench:
    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.producer = FakeProducer(self.broker)

    async def topic(self, name: str, partitions: int = 1) -> str:
        self.broker.create_topic(name, partitions)
        return name

    def source(self, topic: str, positions: Positions | None = None) -> Source:
        return FakeSource(self.broker, [topic], "group", positions=positions, max_records=50)

    async def all_records(self, topic: str) -> list[Record]:
        return self.broker.records(topic)

    async def committed(self, topic: str, partition: int = 0) -> int | None:
        return self.broker.committed.get("group", {}).get(TopicPartition(topic, partition))


class KafkaBench:
    def __init__(self, kafka: KafkaSettings, make_topic: MakeTopic, producer: RecordProducer) -> None:
        self.kafka = kafka
        self.make_topic = make_topic
        self.producer = producer

    async def topic(self, name: str, partitions: int = 1) -> str:
        return await self.make_topic(name, partitions)

    def source(self, topic: str, positions: Positions | None = None) -> Source:
        return RecordSource(
            self.kafka, [topic], self.kafka.group("group"), positions=positions, max_records=50
        )

    async def all_records(self, topic: str) -> list[Record]:
        found = [record async for record in records_of(self.kafka, topic)]
        return sorted(found, key=lambda r: (r.partition, r.offset))

    async def committed(self, topic: str, partition: int = 0) -> int | None:
        group = self.kafka.group("group")
        async with aiokafka.AIOKafkaConsumer(group_id=group, **self.kafka.client_options()) as consumer:
            found = await consumer.committed(aiokafka.TopicPartition(topic, partition))
            return int(found) if found is not None else None


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.integration)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
        return
    # Only now: the fake needs no stack.
    kafka = request.getfixturevalue("kafka")
    topics = request.getfixturevalue("topics")
    async with RecordProducer(kafka) as producer, topics(kafka) as make_topic:
        yield KafkaBench(kafka, make_topic, producer)


def quick_backoff() -> Backoff:
    return Backoff(initial=timedelta(milliseconds=5), maximum=timedelta(milliseconds=50))


def dead_letters(bench: Bench, limit: DeadLetterLimit | None = None) -> DeadLetters:
    return DeadLetters(bench.producer, service="tests", version="1.2.3", limit=limit)


async def produce(bench: Bench, topic: str, values: Sequence[int], key: str | None = None) -> None:
    for value in values:
        await bench.producer.send(
            OutgoingRecord(
                topic, (key or f"key-{value}").encode(), str(value).encode(), (("origin", b"test"),)
            )
        )


class Running:
    def __init__(self, loop: DeliveryLoop) -> None:
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(loop.run(self.stopping))

    async def stop(self) -> None:
        self.stopping.set()
        async with asyncio.timeout(30):
            await self.task


async def test_every_record_is_handled_in_order_and_committed(bench: Bench, eventually: Eventually) -> None:
    topic = await bench.topic("numbers", partitions=3)
    await produce(bench, topic, range(60))
    seen: list[Record] = []

    async def handle(record: Record) -> None:
        seen.append(record)

    running = Running(DeliveryLoop(bench.source(topic), handle=handle, dead_letters=dead_letters(bench)))
    await eventually(lambda: len(seen) == 60)
    await running.stop()

    for partition in range(3):
        mine = [record.offset for record in seen if record.partition == partition]
        assert mine == list(range(len(mine)))
        assert (await bench.committed(topic, partition) or 0) == len(mine)
    assert seen[0].headers == (("origin", b"test"),)


async def test_a_second_consumer_goes_on_where_the_first_stopped(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(10))
    first: list[bytes | None] = []
    second: list[bytes | None] = []

    async def handle_first(record: Record) -> None:
        first.append(record.value)

    async def handle_second(record: Record) -> None:
        second.append(record.value)

    letters = dead_letters(bench)
    running = Running(DeliveryLoop(bench.source(topic), handle=handle_first, dead_letters=letters))
    await eventually(lambda: len(first) == 10)
    await running.stop()
    await produce(bench, topic, range(10, 15))
    running = Running(DeliveryLoop(bench.source(topic), handle=handle_second, dead_letters=letters))
    await eventually(lambda: len(second) == 5)
    await running.stop()

    assert second == [b"10", b"11", b"12", b"13", b"14"]


async def test_poison_goes_to_the_dead_letters_whole_and_the_rest_passes(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(5))
    seen: list[bytes | None] = []

    async def handle(record: Record) -> None:
        if record.value == b"2":
            raise PoisonRecord("undecodable", "not a number we like")
        seen.append(record.value)

    metrics = DeliveryMetrics()
    running = Running(
        DeliveryLoop(bench.source(topic), handle=handle, dead_letters=dead_letters(bench), metrics=metrics)
    )
    await eventually(lambda: len(seen) == 4)
    await running.stop()

    [letter] = await bench.all_records(topic + ".dlq")
    origin = read_origin(letter.headers)
    assert (letter.key, letter.value, letter.headers[0]) == (b"key-2", b"2", ("origin", b"test"))
    assert (origin.reason, origin.attempts, origin.service, origin.version) == (
        "undecodable",
        1,
        "tests",
        "1.2.3",
    )
    assert (origin.topic, origin.partition, origin.offset) == (topic, 0, 2)
    assert "not a number we like" in origin.error
    assert await bench.committed(topic) == 5
    assert metrics.dead_letters.labels(topic, "undecodable")._value.get() == 1


async def test_an_outage_is_waited_out_and_nothing_is_committed_meanwhile(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(20))
    seen: list[bytes | None] = []
    attempts = 0
    away = True

    async def handle(record: Record) -> None:
        nonlocal attempts
        if away:
            attempts += 1
            raise TransientFailure("database", "connection refused")
        seen.append(record.value)

    running = Running(
        DeliveryLoop(
            bench.source(topic), handle=handle, dead_letters=dead_letters(bench), backoff=quick_backoff
        )
    )
    await eventually(lambda: attempts > 30)  # far beyond the tries that a lone failure gets
    assert await bench.committed(topic) in (None, 0)
    away = False
    await eventually(lambda: len(seen) == 20)
    await running.stop()

    assert seen == [str(n).encode() for n in range(20)]


async def test_a_record_that_fails_alone_is_tried_five_times_then_dead_lettered(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(12))
    tries = 0
    seen: list[bytes | None] = []

    async def handle(record: Record) -> None:
        nonlocal tries
        if record.value == b"3":
            tries += 1
            raise TransientFailure("object-store", "500 for this one object")
        seen.append(record.value)

    running = Running(
        DeliveryLoop(
            bench.source(topic), handle=handle, dead_letters=dead_letters(bench), backoff=quick_backoff
        )
    )
    await eventually(lambda: len(seen) == 11)
    await running.stop()

    [letter] = await bench.all_records(topic + ".dlq")
    origin = read_origin(letter.headers)
    assert tries == 5
    assert (origin.reason, origin.attempts, origin.offset) == ("fails-alone", 5, 3)
    assert await bench.committed(topic) == 12


async def test_a_wait_for_somebody_elses_lock_never_makes_a_dead_letter(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(5))
    tries = 0
    seen: list[bytes | None] = []

    async def handle_batch(records: Sequence[Record]) -> None:
        nonlocal tries
        if any(record.value == b"3" for record in records) and tries < 20:
            tries += 1
            raise TransientFailure("postgresql", "lock timeout", is_contention=True)
        seen.extend(record.value for record in records)

    async def others_pass() -> bool:
        return True

    running = Running(
        DeliveryLoop(
            bench.source(topic),
            handle_batch=handle_batch,
            dead_letters=dead_letters(bench),
            dependencies_pass=others_pass,
            backoff=quick_backoff,
        )
    )
    await eventually(lambda: len(seen) == 5)
    await running.stop()
    assert tries == 20
    assert await bench.all_records(topic + ".dlq") == []


async def test_records_of_one_key_never_overtake_each_other(bench: Bench, eventually: Eventually) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(6), key="same")
    seen: list[bytes | None] = []
    failures = 8

    async def handle(record: Record) -> None:
        nonlocal failures
        if record.value == b"1" and failures:
            failures -= 1
            raise TransientFailure("database", "away")
        seen.append(record.value)

    running = Running(
        DeliveryLoop(
            bench.source(topic), handle=handle, dead_letters=dead_letters(bench), backoff=quick_backoff
        )
    )
    await eventually(lambda: len(seen) == 6)
    await running.stop()

    assert seen == [str(n).encode() for n in range(6)]


async def test_the_dead_letter_limit_stops_the_consumer_before_it_drains_the_topic(bench: Bench) -> None:
    topic = await bench.topic("numbers")
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(30))

    async def handle(record: Record) -> None:
        raise PoisonRecord("undecodable", "a bad release")

    letters = dead_letters(bench, DeadLetterLimit(senders=5))
    loop = DeliveryLoop(bench.source(topic), handle=handle, dead_letters=letters)
    with pytest.raises(DeadLetterLimitExceeded, match="5 of 5 senders"):
        async with asyncio.timeout(30):
            await loop.run(asyncio.Event())

    assert len(await bench.all_records(topic + ".dlq")) == 4
    assert await bench.committed(topic) == 4


class FailingLetters(DeadLetters):
    """Dead letters that raise this error before they work."""

    def __init__(self, producer: Sender, failures: list[Exception]) -> None:
        super().__init__(producer, service="tests", version="1.2.3")
        self.failures = failures

    async def put(self, record: Record, poison: PoisonRecord, *, attempts: int = 1) -> Position:
        if self.failures:
            raise self.failures.pop()
        return await super().put(record, poison, attempts=attempts)


async def no_number(record: Record) -> None:
    if record.value == b"1":
        raise PoisonRecord("undecodable")


@pytest.mark.parametrize("failing", ["letters", "position"])
async def test_a_failure_while_dead_lettering_is_waited_out_and_loses_nothing(
    bench: Bench, eventually: Eventually, failing: str
) -> None:
    topic = await bench.topic("numbers")
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(3))
    failures: list[Exception] = [TransientFailure("away") for _ in range(3)]
    passed: list[int] = []

    async def note(record: Record) -> None:
        if failing == "position" and failures:
            raise failures.pop()
        passed.append(record.offset)

    loop = DeliveryLoop(
        bench.source(topic),
        handle=no_number,
        dead_letters=FailingLetters(bench.producer, failures if failing == "letters" else []),
        on_dead_letter=note,
        backoff=quick_backoff,
    )
    running = Running(loop)
    await eventually(lambda: passed)
    await running.stop()
    letters = await bench.all_records(topic + ".dlq")
    assert failures == []
    assert {letter.value for letter in letters} == {b"1"}
    assert passed == [1]
    assert await bench.committed(topic) in {2, 3}


async def test_a_dead_letter_that_kafka_refuses_stops_the_consumer_before_its_record(bench: Bench) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(3))
    letters = FailingLetters(bench.producer, [DeadLetterRefused("too small a topic")])
    loop = DeliveryLoop(bench.source(topic), handle=no_number, dead_letters=letters)
    with pytest.raises(DeadLetterRefused):
        async with asyncio.timeout(30):
            await loop.run(asyncio.Event())
    assert await bench.committed(topic) == 1


async def test_a_bug_ends_the_consumer_and_its_record_is_read_again(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(3))

    async def buggy(record: Record) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(30):
            await DeliveryLoop(bench.source(topic), handle=buggy, dead_letters=dead_letters(bench)).run(
                asyncio.Event()
            )
    seen: list[int] = []

    async def handle(record: Record) -> None:
        seen.append(record.offset)

    running = Running(DeliveryLoop(bench.source(topic), handle=handle, dead_letters=dead_letters(bench)))
    await eventually(lambda: seen == [0, 1, 2])
    await running.stop()


class Table:
    """An application that keeps rows and positions in one transaction."""

    def __init__(self) -> None:
        self.rows: list[bytes | None] = []
        self.positions: dict[TopicPartition, int] = {}
        self.calls: list[int] = []
        self.poison: dict[bytes, bool] = {}

    async def load(self, assigned: object) -> Mapping[TopicPartition, int]:
        return dict(self.positions)

    async def apply(self, records: Sequence[Record]) -> None:
        self.calls.append(len(records))
        for record in records:
            if record.value in self.poison:
                named = record if self.poison[record.value] else None
                raise PoisonRecord("bad-row", "constraint", record=named)
        for record in records:
            assert record.offset == self.positions.get(record.topic_partition, 0), "out of order"
            self.rows.append(record.value)
            self.positions[record.topic_partition] = record.committable.next_offset

    async def skip(self, record: Record) -> None:
        self.positions[record.topic_partition] = record.committable.next_offset


@pytest.mark.parametrize("named", [True, False])
async def test_a_batch_is_taken_apart_to_find_the_poison(
    bench: Bench, eventually: Eventually, named: bool
) -> None:
    topic = await bench.topic("numbers", partitions=2)
    await bench.topic("numbers.dlq")
    await produce(bench, topic, range(40))
    table = Table()
    table.poison = {b"7": named, b"8": named, b"39": named}

    running = Running(
        DeliveryLoop(
            bench.source(topic, table.load),
            handle_batch=table.apply,
            dead_letters=dead_letters(bench),
            on_dead_letter=table.skip,
        )
    )
    await eventually(lambda: len(table.rows) == 37 and sum(table.positions.values()) == 40)
    await running.stop()

    letters = await bench.all_records(topic + ".dlq")
    assert sorted(letter.value or b"" for letter in letters) == [b"39", b"7", b"8"]
    assert sum([await bench.committed(topic, partition) or 0 for partition in range(2)]) == 40


async def test_positions_of_the_application_win_over_committed_ones(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(10))
    table = Table()
    running = Running(
        DeliveryLoop(
            bench.source(topic, table.load), handle_batch=table.apply, dead_letters=dead_letters(bench)
        )
    )
    await eventually(lambda: len(table.rows) == 10)
    await running.stop()
    assert await bench.committed(topic) == 10

    restored = Table()  # from a backup that knows less than Kafka's committed offsets
    restored.positions = {TopicPartition(topic, 0): 4}
    running = Running(
        DeliveryLoop(
            bench.source(topic, restored.load), handle_batch=restored.apply, dead_letters=dead_letters(bench)
        )
    )
    await eventually(lambda: len(restored.rows) == 6)
    await running.stop()
    assert restored.rows == [str(n).encode() for n in range(4, 10)]


async def test_a_batch_waits_out_an_outage_and_unknown_positions_too(
    bench: Bench, eventually: Eventually
) -> None:
    topic = await bench.topic("numbers")
    await produce(bench, topic, range(10))
    table = Table()
    failures = {"load": 3, "apply": 9}

    async def load(assigned: object) -> Mapping[TopicPartition, int]:
        if failures["load"]:
            failures["load"] -= 1
            raise TransientFailure("database", "away")
        return await table.load(assigned)

    async def apply(records: Sequence[Record]) -> None:
        if failures["apply"]:
            failures["apply"] -= 1
            raise TransientFailure("database", "away")
        await table.apply(records)

    running = Running(
        DeliveryLoop(
            bench.source(topic, load),
            handle_batch=apply,
            dead_letters=dead_letters(bench),
            backoff=quick_backoff,
        )
    )
    await eventually(lambda: len(table.rows) == 10)
    await running.stop()
    assert table.rows == [str(n).encode() for n in range(10)]


async def test_consumers_joining_and_leaving_lose_nothing(bench: Bench, eventually: Eventually) -> None:
    topic = await bench.topic("numbers", partitions=4)
    seen: set[int] = set()

    async def handle_batch(records: Sequence[Record]) -> None:
        seen.update(int(record.value or b"-1") for record in records)

    def start() -> Running:
        return Running(
            DeliveryLoop(bench.source(topic), handle_batch=handle_batch, dead_letters=dead_letters(bench))
        )

    produced = 0
    steady = start()
    for _ in range(3):
        await produce(bench, topic, range(produced, produced + 100))
        visitor = start()
        await produce(bench, topic, range(produced + 100, produced + 200))
        produced += 200
        await eventually(lambda: len(seen) == produced, within=timedelta(seconds=60))  # noqa: B023
        await visitor.stop()
    await eventually(lambda: len(seen) == produced)
    await steady.stop()

    assert seen == set(range(produced))
    assert sum([await bench.committed(topic, partition) or 0 for partition in range(4)]) == produced


async def test_a_rebalance_during_an_outage_loses_nothing(bench: Bench, eventually: Eventually) -> None:
    topic = await bench.topic("numbers", partitions=4)
    await produce(bench, topic, range(80))
    done: list[Record] = []
    failures = 0
    away = True

    async def handle(record: Record) -> None:
        nonlocal failures
        if away:
            failures += 1
            raise TransientFailure("database", "away")
        done.append(record)

    def start() -> Running:
        return Running(
            DeliveryLoop(
                bench.source(topic), handle=handle, dead_letters=dead_letters(bench), backoff=quick_backoff
            )
        )

    first = start()
    await eventually(lambda: failures > 20)
    second = start()
    before = failures
    await eventually(lambda: failures > before + 100)
    await first.stop()
    assert [await bench.committed(topic, partition) or 0 for partition in range(4)] == [0, 0, 0, 0]
    away = False
    await eventually(lambda: {int(record.value or b"-1") for record in done} == set(range(80)))
    await second.stop()
    for partition in range(4):
        mine = [record.offset for record in done if record.partition == partition]
        assert mine == sorted(mine)

"""A broker goes away and comes back: nothing crashes, everything says so in time, and goes on by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from local_stack.running.stack import Stack
from service_kit.dead_letters.letters import DeadLetters
from service_kit.errors import TransientFailure
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.delivery import DeliveryLoop
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import CompactedView

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

MakeTopic = Callable[..., Awaitable[str]]
Eventually = Callable[..., Awaitable[None]]
TIMEOUT = timedelta(seconds=2)
RECOVERY = timedelta(seconds=60)


@asynccontextmanager
async def kafka_away(stack: Stack, kill: bool) -> AsyncIterator[None]:
    await asyncio.to_thread(lambda: stack.stop_service("kafka", kill=kill))
    try:
        yield
    finally:
        await asyncio.to_thread(stack.start_service, "kafka")


async def send_until_acknowledged(producer: RecordProducer, record: OutgoingRecord) -> None:
    deadline = time.monotonic() + RECOVERY.total_seconds()
    while True:
        try:
            await producer.send(record)
        except TransientFailure:
            assert time.monotonic() < deadline, "the producer did not recover"
            await asyncio.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("kill", [False, True])
async def test_everything_survives_a_broker_restart(
    stack_control: Stack, kafka: KafkaSettings, make_topic: MakeTopic, eventually: Eventually, kill: bool
) -> None:
    topic = await make_topic("numbers", 2)
    handled: list[bytes | None] = []
    viewed: list[bytes | None] = []

    async def handle(record: Record) -> None:
        handled.append(record.value)

    stopping = asyncio.Event()
    async with RecordProducer(kafka, timeout=TIMEOUT) as producer:
        view = CompactedView(kafka, topic, lambda record: viewed.append(record.value))
        await view.start()
        loop = DeliveryLoop(
            RecordSource(kafka, [topic], kafka.group("group")),
            handle=handle,
            dead_letters=DeadLetters(producer, service="tests", version="1"),
        )
        running = asyncio.create_task(loop.run(stopping))
        sent = [str(number).encode() for number in range(20)]
        # The test before may have taken the broker away: its partitions are on their way back.
        for value in sent[:10]:
            await send_until_acknowledged(producer, OutgoingRecord(topic, value, value))
        await eventually(lambda: set(handled) == set(viewed) == set(sent[:10]), within=RECOVERY)

        async with kafka_away(stack_control, kill):
            for value in sent[10:13]:
                started = time.monotonic()
                with pytest.raises(TransientFailure, match="kafka"):
                    await producer.send(OutgoingRecord(topic, value, value))
                assert time.monotonic() - started < TIMEOUT.total_seconds() + 1
            assert not running.done()

        for value in sent[10:]:
            await send_until_acknowledged(producer, OutgoingRecord(topic, value, value))
        await eventually(lambda: set(handled) == set(sent), within=RECOVERY)
        await eventually(lambda: set(viewed) == set(sent), within=RECOVERY)
        # It asks within some seconds where the topic ends now.
        await eventually(lambda: view.seconds_behind < 10, within=RECOVERY)
        await view.check()
        stopping.set()
        async with asyncio.timeout(30):
            await running
        await view.stop()


async def test_a_producer_stops_though_its_broker_is_away(
    stack_control: Stack, kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("numbers")
    producer = RecordProducer(kafka, timeout=TIMEOUT)
    await producer.start()
    await send_until_acknowledged(producer, OutgoingRecord(topic, b"k", b"v"))
    async with kafka_away(stack_control, kill=False):
        with pytest.raises(TransientFailure):
            await producer.send(OutgoingRecord(topic, b"k", b"v"))
        started = time.monotonic()
        await producer.stop()
        assert time.monotonic() - started < 3 * TIMEOUT.total_seconds()
        with pytest.raises(TransientFailure):
            await RecordProducer(kafka, timeout=TIMEOUT).start()


async def test_a_consumer_starts_before_its_broker(
    stack_control: Stack, kafka: KafkaSettings, make_topic: MakeTopic, eventually: Eventually
) -> None:
    topic = await make_topic("numbers")
    handled: list[bytes | None] = []

    async def handle(record: Record) -> None:
        handled.append(record.value)

    stopping = asyncio.Event()
    # The test before has killed the broker: its partitions may still be on their way back.
    async with RecordProducer(kafka, timeout=RECOVERY) as producer:
        await producer.send(OutgoingRecord(topic, b"k", b"v"))
        loop = DeliveryLoop(
            RecordSource(kafka, [topic], kafka.group("group")),
            handle=handle,
            dead_letters=DeadLetters(producer, service="tests", version="1"),
        )
        async with kafka_away(stack_control, kill=False):
            running = asyncio.create_task(loop.run(stopping))
            await asyncio.wait({running}, timeout=1)
            assert not running.done()
        await eventually(lambda: handled == [b"v"], within=RECOVERY)
        stopping.set()
        await running

"""What the watchdog is told about records that nobody finishes, on real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local_stack.environment import StackEnv
from recognition_worker.adapters.faust.faust_app import FaustRunner, Feed
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.records import Record
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

DEADLINE = 30.0
PARTITIONS = 3


@pytest.fixture
async def kafka(stack: StackEnv, topic_prefix: str) -> AsyncIterator[KafkaSettings]:
    """Kafka with one empty topic, `live`."""
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(settings.topic("live"), PARTITIONS, 1)])
    yield settings
    await admin.delete_topics([settings.topic("live")])
    await admin.close()


class Hanging:
    """Finishes nothing until its records are taken away."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, _record: Record, ended: asyncio.Event) -> None:
        self.begun.set()
        await ended.wait()
        raise DeliveryStopped("it hung")


@asynccontextmanager
async def running(kafka: KafkaSettings, handle: Hanging) -> AsyncIterator[FaustRunner]:
    runner = FaustRunner(kafka, kafka.group("lag"), [Feed("live", (kafka.topic("live"),), handle)])
    stopping = asyncio.Event()
    run = asyncio.create_task(runner.run(stopping))
    try:
        yield runner
    finally:
        stopping.set()
        await run


async def send(kafka: KafkaSettings, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    for number in range(count):
        await producer.send_and_wait(kafka.topic("live"), b"%d" % number, partition=0)
    await producer.stop()


async def reached(runner: FaustRunner, lag: int) -> None:
    try:
        async with asyncio.timeout(DEADLINE):
            while runner.lag() != lag:  # noqa: ASYNC110 - the broker tells it with a fetch
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"the lag is {runner.lag()}, not {lag}") from None


async def joined(runner: FaustRunner) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await runner.check()
            except TransientFailure:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("sent", ["before", "after"])
async def test_a_first_record_that_hangs_is_lag(kafka: KafkaSettings, sent: str) -> None:
    hanging = Hanging()
    if sent == "before":
        await send(kafka, 1)
    async with running(kafka, hanging) as runner:
        await joined(runner)
        if sent == "after":
            await send(kafka, 1)
        async with asyncio.timeout(DEADLINE):
            await hanging.begun.wait()
        assert runner.lag() == 1
        assert runner.lag_of(kafka.topic("live")) == 1
        await send(kafka, 2)
        await reached(runner, 3)

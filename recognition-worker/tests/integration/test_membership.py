"""How the worker's consumer comes to life and stays alive, on real Kafka: refusals, silence, positions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from attendance_testing.kafka_proxy import (
    GROUP_AUTHORIZATION_FAILED,
    INVALID_SESSION_TIMEOUT,
    KafkaProxy,
    Question,
)
from attendance_testing.polling import eventually
from local_stack.environment import StackEnv
from local_stack.running.links import links
from local_stack.running.ports import is_free
from local_stack.running.stack import Stack
from local_stack.running.state import load_state
from recognition_worker.adapters.faust.faust_app import FaustRunner, Feed
from recognition_worker.errors import ConsumerBroken
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Record
from service_kit.observing.health import StalledError
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

DEADLINE = 30.0
GROUP = "membership"


@pytest.fixture
async def kafka(stack: StackEnv, topic_prefix: str) -> AsyncIterator[KafkaSettings]:
    """Kafka with one empty topic of one partition, `live`."""
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(settings.topic("live"), 1, 1)])
    yield settings
    await admin.delete_topics([settings.topic("live")])
    await admin.close()


@pytest.fixture
async def proxy(stack_control: Stack) -> AsyncIterator[KafkaProxy]:
    state = load_state(stack_control.folder)
    assert state is not None
    link = next(link for link in links(state) if link.name == "kafka")
    if not is_free(link.proxy_port):  # Toxiproxy stands there, if a test before this one needed it
        await asyncio.to_thread(stack_control.stop_service, "toxiproxy")
    async with KafkaProxy(link.proxy_port, link.upstream_port) as proxy:
        yield proxy


@pytest.fixture
def proxied(kafka: KafkaSettings, stack_control: Stack, proxy: KafkaProxy) -> KafkaSettings:
    servers = stack_control.env_through_proxies.kafka_bootstrap_servers
    return kafka.model_copy(update={"bootstrap_servers": servers})


class Run:
    """A runner under way, and the offsets of what it handled."""

    def __init__(self, kafka: KafkaSettings, **limits: timedelta) -> None:
        self.handled: list[int] = []
        self.may_handle = asyncio.Event()
        self.may_handle.set()
        feed = Feed("live", (kafka.topic("live"),), self._handle)
        self.runner = FaustRunner(kafka, kafka.group(GROUP), [feed], **limits)
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(self.runner.run(self.stopping))

    async def _handle(self, record: Record, _ended: asyncio.Event) -> None:
        await self.may_handle.wait()
        self.handled.append(record.offset)

    async def is_member(self) -> bool:
        try:
            await self.runner.check()
        except TransientFailure:
            return False
        return True

    async def has_stalled(self) -> bool:
        try:
            await self.runner.check_membership()
        except StalledError:
            return True
        return False


@asynccontextmanager
async def running(kafka: KafkaSettings, **limits: timedelta) -> AsyncIterator[Run]:
    run = Run(kafka, **limits)
    try:
        yield run
    finally:
        run.stopping.set()
        await run.task


async def handled(run: Run, count: int) -> None:
    async def enough() -> bool:
        return len(run.handled) >= count

    await eventually(enough)


async def delete_before(kafka: KafkaSettings, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(kafka.topic("live"), 0): RecordsToDelete(offset)})
    await admin.close()


async def send(kafka: KafkaSettings, count: int, size: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    for number in range(count):
        await producer.send_and_wait(kafka.topic("live"), b"%d" % number + bytes(size))
    await producer.stop()


async def commit(kafka: KafkaSettings, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=kafka.group(GROUP))
    await consumer.start()
    consumer.assign([partition := TopicPartition(kafka.topic("live"), 0)])
    await consumer.commit({partition: offset})
    await consumer.stop()


async def committed(kafka: KafkaSettings) -> int | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=kafka.group(GROUP))
    await consumer.start()
    found: int | None = await consumer.committed(TopicPartition(kafka.topic("live"), 0))
    await consumer.stop()
    return found


async def test_a_worker_that_was_refused_at_its_start_joins_when_it_is_allowed(
    kafka: KafkaSettings, proxied: KafkaSettings, proxy: KafkaProxy
) -> None:
    await send(kafka, 3)
    proxy.refuse(Question.FIND_COORDINATOR, GROUP_AUTHORIZATION_FAILED)
    proxy.refuse(Question.JOIN_GROUP, GROUP_AUTHORIZATION_FAILED)
    async with running(proxied) as run:
        await asyncio.sleep(4)  # the refusal's time: this is the scenario, not a wait
        assert not await run.is_member()
        proxy.heal()
        await handled(run, 3)


@pytest.mark.parametrize("question", [Question.JOIN_GROUP, Question.HEARTBEAT])
async def test_one_unexpected_answer_costs_no_membership(
    kafka: KafkaSettings, proxied: KafkaSettings, proxy: KafkaProxy, question: Question
) -> None:
    if question is Question.JOIN_GROUP:
        proxy.refuse(question, INVALID_SESSION_TIMEOUT, times=1)
    async with running(proxied) as run:
        await eventually(run.is_member)
        if question is Question.HEARTBEAT:
            proxy.refuse(question, INVALID_SESSION_TIMEOUT, times=1)
            await asyncio.sleep(8)  # longer than a session lasts without heartbeats
        await send(kafka, 3)
        await handled(run, 3)


async def test_a_membership_that_nobody_keeps_any_more_ends_the_run(kafka: KafkaSettings) -> None:
    run = Run(kafka)
    await eventually(run.is_member)
    thread = run.runner._app.hardened._quick_thread
    thread.thread_loop.call_soon_threadsafe(thread._ensure_consumer()._coordinator._coordination_task.cancel)
    with pytest.raises(ConsumerBroken, match="what kept the membership of"):
        await asyncio.wait_for(run.task, DEADLINE)


async def test_positions_that_do_not_come_end_the_run(proxied: KafkaSettings, proxy: KafkaProxy) -> None:
    proxy.delay(Question.OFFSET_FETCH, 5)
    run = Run(proxied, seek_limit=timedelta(seconds=2))
    with pytest.raises(ConsumerBroken, match="positions of the group"):
        await asyncio.wait_for(run.task, DEADLINE)


async def test_a_worker_that_is_kept_out_of_its_group_is_not_alive_but_an_outage_is_no_reason(
    proxied: KafkaSettings, proxy: KafkaProxy
) -> None:
    proxy.refuse(Question.JOIN_GROUP, INVALID_SESSION_TIMEOUT)
    async with running(proxied, out_of_group_limit=timedelta(seconds=5)) as run:
        await eventually(run.has_stalled)
        await proxy.cut()

        async def is_alive() -> bool:
            return not await run.has_stalled()

        await eventually(is_alive)
        await asyncio.sleep(6)  # longer than the limit
        assert await is_alive()
        proxy.heal()
        await proxy.connect()
        await eventually(run.is_member)


async def test_a_position_beyond_the_end_has_the_log_read_once(kafka: KafkaSettings) -> None:
    await send(kafka, 5)
    await commit(kafka, 1000)
    async with running(kafka) as run:
        await handled(run, 5)
    assert run.handled == [0, 1, 2, 3, 4]
    assert await committed(kafka) == 5
    async with running(kafka) as again:
        await eventually(again.is_member)
        await send(kafka, 1)
        await handled(again, 1)
    assert again.handled == [5]


async def test_a_position_before_the_beginning_goes_on_with_what_is_left_and_says_so(
    kafka: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(kafka, 5)
    await commit(kafka, 1)
    await delete_before(kafka, 3)
    async with running(kafka) as run:
        await handled(run, 2)
    assert run.handled == [3, 4]
    assert "records expired before they were done" in capsys.readouterr().out


async def test_records_that_expire_under_a_running_worker_end_the_run(kafka: KafkaSettings) -> None:
    """More than a fetch brings, so that the rest is still to be read when it goes."""
    run = Run(kafka)
    run.may_handle.clear()
    await eventually(run.is_member)
    await send(kafka, 100, size=100_000)
    await delete_before(kafka, 100)
    run.may_handle.set()
    with pytest.raises(ConsumerBroken, match="records expired before they were read"):
        await asyncio.wait_for(run.task, DEADLINE)


async def test_every_partition_has_a_position_as_soon_as_a_worker_has_it(kafka: KafkaSettings) -> None:
    async with running(kafka) as run:
        await eventually(run.is_member)
    assert await committed(kafka) == 0

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attendance_testing.polling import eventually as shown
from local_stack.environment import StackEnv
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings

MakeTopic = Callable[..., Awaitable[str]]


@pytest.fixture
def kafka(stack: StackEnv, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)


@asynccontextmanager
async def _topics(kafka: KafkaSettings) -> AsyncIterator[MakeTopic]:
    made: list[str] = []
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()

    async def make(name: str = "numbers", partitions: int = 1, **config: str) -> str:
        full = kafka.topic(name)
        await admin.create_topics([NewTopic(full, partitions, 1, topic_configs=config)])
        made.append(full)
        # A broker knows of it a moment after the controller.
        await shown(lambda: identify_topics(kafka, [full]))
        return full

    try:
        yield make
        await admin.delete_topics(made)
    finally:
        await admin.close()


@pytest.fixture
def topics() -> Callable[[KafkaSettings], AbstractAsyncContextManager[MakeTopic]]:
    return _topics


@pytest.fixture
async def make_topic(kafka: KafkaSettings) -> AsyncIterator[MakeTopic]:
    async with _topics(kafka) as make:
        yield make


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    async def until(condition: Callable[[], object], within: timedelta = timedelta(seconds=30)) -> None:
        deadline = time.monotonic() + within.total_seconds()
        while True:
            if condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not true within {within}")
            await asyncio.sleep(0.02)

    return until

"""What the commands that talk to Kafka share: connections from the worker's variables, and their refusals."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import Topic
from recognition_worker.commands.evaluate import refusing
from service_kit.errors import TransientFailure
from service_kit.settings import KafkaSettings, SchemaRegistrySettings

_AWAY = 1

AsyncCommand = Callable[[argparse.Namespace], Coroutine[None, None, int]]


@dataclass(frozen=True, slots=True)
class Connected:
    """Kafka's settings and a codec that is prepared for what the command writes."""

    kafka: KafkaSettings
    codec: Codec


@asynccontextmanager
async def connected(*written: Topic) -> AsyncIterator[Connected]:
    """Connect to the schema registry. Raises SettingsError, RegistryUnavailable or SchemaNotRegistered."""
    kafka = KafkaSettings.load()
    async with SchemaRegistry(SchemaRegistrySettings.load().url) as schemas:
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await codec.prepare(written)
        yield Connected(kafka, codec)


def execute(command: AsyncCommand, arguments: argparse.Namespace) -> int:
    """Run a command: 0 when done, 2 when it is refused, 1 when a dependency is away."""
    try:
        return refusing(lambda given: asyncio.run(command(given)), arguments)
    except (TransientFailure, RegistryUnavailable, SchemaNotRegistered) as error:
        sys.stderr.write(f"recognition-worker: {error}; try again\n")
        return _AWAY

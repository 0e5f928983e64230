"""What the commands that talk to Kafka share: connections from the worker's variables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import Topic
from service_kit.settings import KafkaSettings, SchemaRegistrySettings


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

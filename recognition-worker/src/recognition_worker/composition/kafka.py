"""Kafka by the worker's variables: connections for commands, and where the group of the workers goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    MATCHES,
    Topic,
)
from recognition_worker.adapters.group_positions import From, GroupPositions
from recognition_worker.composition.answer import Answer
from recognition_worker.settings import SERVICE
from service_kit.settings import KafkaSettings, SchemaRegistrySettings

# Enrolments and erasures are never skipped: they are few, and an erasure that was not done must be.
_MAY_BE_SKIPPED = (CAPTURES, CAPTURES_BACKLOG)


@dataclass(frozen=True, slots=True)
class Connected:
    """Kafka's settings and a codec that is prepared for what the command writes."""

    kafka: KafkaSettings
    codec: Codec


@asynccontextmanager
async def connected(*written: Topic) -> AsyncIterator[Connected]:
    """Connect to the schema registry. Raises SettingsError, RegistryUnavailable or SchemaNotRegistered."""
    kafka, registry = KafkaSettings.load(), SchemaRegistrySettings.load()
    async with SchemaRegistry(registry.url, registry.tls()) as schemas:
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await codec.prepare(written)
        yield Connected(kafka, codec)


def group_positions(kafka: KafkaSettings) -> GroupPositions:
    """Return the positions of the workers' group."""
    return GroupPositions(
        kafka,
        kafka.group(SERVICE),
        topics=tuple(kafka.topic(topic.name) for topic in (*_MAY_BE_SKIPPED, ENROLMENTS)),
        written=tuple(kafka.topic(topic.name) for topic in (MATCHES, ENROLMENT_RESULTS)),
    )


async def go_on_from(where: From) -> Answer:
    """Set where captures go on; enrolments and erasures begin at the earliest."""
    kafka = KafkaSettings.load()
    topics = [kafka.topic(topic.name) for topic in _MAY_BE_SKIPPED]
    ahead = await group_positions(kafka).go_on_from(where, topics)
    return Answer(partial(_show, ahead), lambda: {"records_to_do": ahead})


def _show(ahead: dict[str, int]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for topic, count in ahead.items():
        console.print(f"{topic}: {count} records to do")

"""Put the change feed together: the relay of the outbox, and presence where there is a cache for it.

It runs beside the projection, or in a process of its own. Telling is about a third of a projector's work:
without it a projector catches up faster where a second core is free. The process that holds the lock tells,
so there may be several, also beside projectors that tell.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from attendance_projector.feed.adapters.kafka_change_tail import open_change_tail
from attendance_projector.feed.adapters.kafka_outbox_publisher import KafkaOutboxPublisher
from attendance_projector.feed.adapters.postgres_outbox_queue import open_outbox_queue
from attendance_projector.feed.adapters.postgres_presence_source import open_presence_source
from attendance_projector.feed.adapters.valkey_presence_board import open_presence_board
from attendance_projector.feed.keep_presence import keep_presence
from attendance_projector.feed.metrics import OutboxMetrics, PresenceMetrics
from attendance_projector.feed.relay_outbox import relay_outbox
from attendance_projector.operations import Opening, need_servers, serve_operations
from attendance_projector.settings import Settings
from attendance_projector.wait_for_tables import wait_for_told_tables
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import DeliveryStopped
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.health import Health


async def run_feed(settings: Settings, stopping: asyncio.Event) -> None:
    """Tell until `stopping` is set.

    Raises ReadModelOutdated, or what a bug raises; what was not told stays in the outbox.
    """
    registry, health = CollectorRegistry(), Health()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_operations(settings, health, registry, stopping))
        async with AsyncExitStack() as stack:
            # Nothing was told yet when it stops before the tables are open.
            stack.enter_context(contextlib.suppress(DeliveryStopped))
            schemas = await stack.enter_async_context(
                SchemaRegistry(settings.registry.url, settings.registry.tls())
            )
            opening = Opening(health)
            read_model = await wait_for_told_tables(settings, stopping, stack)
            producer = RecordProducer(settings.kafka)
            stack.push_async_callback(producer.stop)
            need_servers(health, read_model.check, producer)
            await stack.enter_async_context(health.watching())
            collect_rarely()
            opening.done()
            await feed_changes(settings, schemas, registry, stopping)


async def feed_changes(
    settings: Settings, schemas: SchemaRegistry, registry: CollectorRegistry, stopping: asyncio.Event
) -> None:
    """Publish the outbox and keep presence until `stopping` is set, or until a bug ends it."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_relay(settings, schemas, OutboxMetrics(registry), stopping))
        if settings.valkey.url is not None:
            presence = PresenceMetrics(registry)
            tasks.create_task(
                _presence(settings, settings.valkey.url.get_secret_value(), schemas, presence, stopping)
            )


async def _relay(
    settings: Settings, schemas: SchemaRegistry, metrics: OutboxMetrics, stopping: asyncio.Event
) -> None:
    url = settings.database.url.get_secret_value()
    codec = Codec(schemas, prefix=settings.kafka.topic_prefix)

    @asynccontextmanager
    async def open_publisher() -> AsyncIterator[KafkaOutboxPublisher]:
        producer = RecordProducer(settings.kafka)
        try:
            yield KafkaOutboxPublisher(producer, codec, settings.kafka)
        finally:
            await producer.stop()

    await relay_outbox(lambda: open_outbox_queue(url), open_publisher, metrics, stopping)


async def _presence(
    settings: Settings,
    valkey_url: str,
    schemas: SchemaRegistry,
    metrics: PresenceMetrics,
    stopping: asyncio.Event,
) -> None:
    url, codec = settings.database.url.get_secret_value(), Codec(schemas)
    async with open_presence_board(valkey_url, settings.kafka.topic_prefix, settings.valkey.tls()) as board:
        await keep_presence(
            lambda: open_presence_source(url),
            lambda: open_change_tail(settings.kafka, codec),
            board,
            metrics,
            stopping,
            now=lambda: datetime.now(UTC),
        )

"""Put the change feed together: the relay of the outbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from attendance_projector.adapters.kafka_outbox_publisher import KafkaOutboxPublisher
from attendance_projector.adapters.postgres_outbox_queue import open_outbox_queue
from attendance_projector.metrics import OutboxMetrics
from attendance_projector.relay_outbox import relay_outbox
from attendance_projector.settings import Settings
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from service_kit.producer import RecordProducer


async def feed_changes(
    settings: Settings, schemas: SchemaRegistry, registry: CollectorRegistry, stopping: asyncio.Event
) -> None:
    """Publish the outbox until `stopping` is set, or until a bug ends it."""
    await _relay(settings, schemas, OutboxMetrics(registry), stopping)


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

"""A read model that tells, the topic that it tells on, and relays, for the tests of the change feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry

from attendance_projector.feed.adapters.kafka_outbox_publisher import KafkaOutboxPublisher
from attendance_projector.feed.adapters.postgres_outbox_queue import open_outbox_queue
from attendance_projector.feed.metrics import OutboxMetrics
from attendance_projector.feed.relay_outbox import relay_outbox
from attendance_schemas.codec import Codec, subject_of
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.schema_files import id_of_text, schema_text
from attendance_schemas.topics import CHANGES
from attendance_testing.polling import DEADLINE
from local_stack.environment import StackEnv
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import KafkaSettings

PEOPLE = tuple(f"p-{number}" for number in range(6))


class Feed:
    """A read model that tells, topics to tell it on, and relays."""

    def __init__(self, plant: Any, kafka: KafkaSettings, schemas: SchemaRegistry) -> None:
        self.plant = plant
        self.kafka = kafka
        self.schemas = schemas
        self.metrics: list[OutboxMetrics] = []

    async def change(self, rounds: int, first: int = 0) -> None:
        """Change the day of everybody so many times, each time by another punch."""
        for number in range(first, first + rounds):
            hour, minute = 8 + number // 20, number % 20 * 3
            at = f"2026-03-02T{hour:02}:{minute:02}+05:30"
            await self.plant.tell(*(self.plant.match(person, at) for person in PEOPLE))

    async def outbox(self) -> int:
        return int(await self.plant.sql.fetchval("SELECT count(*) FROM outbox WHERE refused IS NULL"))

    async def is_empty(self) -> bool:
        return await self.outbox() == 0

    @asynccontextmanager
    async def relaying(self, open_queue: Any = None) -> AsyncIterator[asyncio.Task[None]]:
        """Run a relay of its own, as a projector does."""
        stopping, metrics = asyncio.Event(), OutboxMetrics(CollectorRegistry())
        self.metrics.append(metrics)

        @asynccontextmanager
        async def open_publisher() -> AsyncIterator[KafkaOutboxPublisher]:
            async with RecordProducer(self.kafka, timeout=timedelta(seconds=2)) as producer:
                codec = Codec(self.schemas, prefix=self.kafka.topic_prefix)
                yield KafkaOutboxPublisher(producer, codec, self.kafka)

        queue = open_queue or (lambda: open_outbox_queue(self.plant.feed_url))
        task = asyncio.create_task(relay_outbox(queue, open_publisher, metrics, stopping))
        try:
            yield task
        finally:
            stopping.set()
            await asyncio.wait({task}, timeout=DEADLINE)
        if not task.done() or open_queue is None:
            await task

    async def published(self, count: int) -> list[AttendanceDayChanged]:
        """Return so many different events of the topic with their repetitions, by partition in order."""
        codec, events, ids = Codec(self.schemas), [], set()
        async with (
            AIOKafkaConsumer(
                self.kafka.topic(CHANGES.name),
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                **self.kafka.client_options(),
            ) as consumer,
            asyncio.timeout(DEADLINE),
        ):
            while len(ids) < count:
                record = await consumer.getone()
                event = await codec.decode(record.value)
                assert isinstance(event, AttendanceDayChanged)
                assert record.key == f"{event.org_id}:{event.person_id}".encode()
                events.append(event)
                ids.add(event.event_id)
        return events


@asynccontextmanager
async def open_feed(stack: StackEnv, plant: Any, topic_prefix: str) -> AsyncIterator[Feed]:
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    topic, event = kafka.topic(CHANGES.name), AttendanceDayChanged.__name__
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    await plant.tell(*(plant.person(name) for name in PEOPLE))
    async with SchemaRegistry(stack.schema_registry_url) as schemas:
        await schemas.import_texts({id_of_text(schema_text(event)): schema_text(event)})
        await schemas.register(subject_of(topic, event), schema_text(event))
        yield Feed(plant, kafka, schemas)
    await admin.delete_topics([topic])
    await admin.close()

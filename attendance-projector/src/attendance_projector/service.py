"""Put the projector together and run it: Kafka and the registry on one side, PostgreSQL on the other."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from attendance_projector.errors import ReadModelSwitched
from attendance_projector.feed.change_feed import feed_changes
from attendance_projector.operations import Opening, serve_operations
from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.kafka_tick_publisher import KafkaTickPublisher
from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.tick_clock import tick_clock
from attendance_projector.settings import Settings
from attendance_projector.wait_for_tables import wait_for_tables
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CLOCK,
    CORRECTIONS,
    DIRECTORY,
    ENROLMENT_RESULTS,
    LOCKED_DAYS,
    MATCHES,
    PUNCHES,
)
from service_kit.backoff import wait
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.dead_letters import DeadLetters
from service_kit.kafka.delivery import DeliveryLoop
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.health import Health, ProgressWatchdog
from service_kit.observing.logs import get_logger

SERVICE = "attendance-projector"
TOPICS = (DIRECTORY, MATCHES, ENROLMENT_RESULTS, PUNCHES, CORRECTIONS, CLOCK, LOCKED_DAYS)
REGISTRY_ANSWERS_WITHIN = 2.0
LOOKS_AT_TABLES_EVERY = timedelta(seconds=1)
ENDS_WITHIN = timedelta(seconds=5)

log = get_logger(__name__)


async def run_service(settings: Settings, stopping: asyncio.Event, *, migrate_first: bool = False) -> None:
    """Project until `stopping` is set.

    Health answers from the beginning, ready once the read model is open. Raises ReadModelOutdated,
    DeadLetterLimitExceeded, or whatever a bug raises; nothing uncommitted is lost by that.
    """
    registry, health = CollectorRegistry(), Health()
    async with asyncio.TaskGroup() as tasks:
        operations = tasks.create_task(serve_operations(settings, health, registry, stopping))
        with contextlib.suppress(DeliveryStopped):
            await _project(settings, stopping, registry, health, migrate_first)
        await operations


async def _project(
    settings: Settings,
    stopping: asyncio.Event,
    registry: CollectorRegistry,
    health: Health,
    migrate_first: bool,
) -> None:
    async with AsyncExitStack() as stack:
        schemas = await stack.enter_async_context(SchemaRegistry(settings.registry.url))
        opening = Opening(health)
        read_model = await wait_for_tables(settings, stopping, stack, migrate_first=migrate_first)
        producer = RecordProducer(settings.kafka)
        stack.push_async_callback(producer.stop)
        applying = ApplyRecords(
            AvroEventReader(Codec(schemas), prefix=settings.kafka.topic_prefix),
            read_model,
            ProjectorMetrics(registry),
            is_tracing=settings.tracing_endpoint is not None,
        )

        def new_source() -> RecordSource:
            return RecordSource(
                settings.kafka,
                [settings.kafka.topic(topic.name) for topic in TOPICS],
                settings.kafka.group(SERVICE),
                positions=read_model.positions,
                max_records=settings.batch_records,
            )

        source = new_source()
        watchdog = ProgressWatchdog(lambda: sum(source.lag().values()), settings.stall_limit)
        health.add_live("progress", watchdog.check)
        dead_letters = DeadLetters(producer, service=SERVICE, version=version(SERVICE))
        metrics = DeliveryMetrics(registry)
        health.add_ready("postgresql", read_model.check)
        health.add_ready("kafka", producer.check)
        collect_rarely()
        opening.done()
        codec = Codec(schemas, prefix=settings.kafka.topic_prefix)
        ticking = asyncio.create_task(
            tick_clock(
                read_model,
                KafkaTickPublisher(producer, codec, settings.kafka),
                stopping,
                interval=settings.tick_interval,
                now=lambda: datetime.now(UTC),
            )
        )
        beside = [ticking]
        if settings.feed_changes:
            beside.append(asyncio.create_task(feed_changes(settings, schemas, registry, stopping)))
        for task in beside:
            # It ends when all ends, or by a bug that must end all.
            task.add_done_callback(lambda _: stopping.set())
        try:
            while True:
                loop = DeliveryLoop(
                    source,
                    dead_letters=dead_letters,
                    handle_batch=applying.apply,
                    on_dead_letter=applying.pass_over,
                    dependencies_pass=lambda: _dependencies_pass(read_model, schemas),
                    progressed=watchdog.progressed,
                    metrics=metrics,
                    # Kafka's committed offset serves lag dashboards only.
                    commit_interval=timedelta(seconds=1),
                )
                await _deliver(loop, read_model, stopping)
                if stopping.is_set():
                    break
                log.info("other tables took the place of the read model: going on from their positions")
                source = new_source()
        finally:
            stopping.set()
            ticking.cancel()
            # What is being published gets its acknowledgements, so that nothing comes twice.
            await asyncio.wait(beside, timeout=ENDS_WITHIN.total_seconds())
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
        for task in beside:
            if not task.cancelled():
                task.result()


async def _deliver(loop: DeliveryLoop, read_model: PostgresReadModel, stopping: asyncio.Event) -> None:
    """Deliver until `stopping` is set, or until a rebuild or rollback puts other tables in place."""
    ending = asyncio.Event()

    async def watch() -> None:
        # Without traffic no transaction would notice.
        while not await wait(LOOKS_AT_TABLES_EVERY, stopping):
            if await read_model.is_switched():
                break
        ending.set()

    watching = asyncio.create_task(watch())
    try:
        await loop.run(ending)
    except ReadModelSwitched:
        log.info("a batch came too late for the tables that it was read for; nothing of it was applied")
    finally:
        watching.cancel()


async def _dependencies_pass(read_model: PostgresReadModel, schemas: SchemaRegistry) -> bool:
    """Say whether everything that applying a record needs answers now."""
    try:
        await read_model.check()
        await schemas.wait_until_ready(deadline=REGISTRY_ANSWERS_WITHIN)
    except (TransientFailure, RegistryUnavailable, TimeoutError):
        return False
    return True

"""Put the projector together and run it: Kafka and the registry on one side, PostgreSQL on the other."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from attendance_projector.errors import PositionsSetBack, ReadModelSwitched, TimeLeaps
from attendance_projector.feed.run import feed_changes
from attendance_projector.operations import Opening, need_servers, serve_operations
from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.kafka_tick_publisher import KafkaTickPublisher
from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.backlog.run import watch_backlog, work_off_backlog
from attendance_projector.projection.directory.adapters.kafka_directory_keys import read_directory_keys
from attendance_projector.projection.directory.take_back_missed import (
    NoLeap,
    TopicKeys,
    take_back_missed,
)
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.tick_clock import tick_clock
from attendance_projector.settings import SERVICE, Settings
from attendance_projector.wait_for_tables import wait_for_tables
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CLOCK,
    CORRECTIONS,
    DIRECTORY,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    LOCKED_DAYS,
    MATCHES,
    PERSON_KEYS,
    PUNCHES,
    dead_letter_topics,
)
from service_kit.backoff import Backoff, retry, wait
from service_kit.collect_rarely import collect_rarely
from service_kit.dead_letters.earlier import open_dead_letters
from service_kit.dead_letters.letters import MOST_BYTES
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.delivery import DeliveryLoop
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import identify_topics
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health, ProgressWatchdog
from service_kit.observing.logs import get_logger

FACTS = (DIRECTORY, MATCHES, ENROLMENT_RESULTS, PUNCHES, CORRECTIONS, CLOCK, LOCKED_DAYS)
# They say what is awaited, what is erased, and what no service could handle.
FATES = (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS, PERSON_KEYS, *dead_letter_topics())
TOPICS = (*FACTS, *FATES)
REGISTRY_ANSWERS_WITHIN = 2.0
LOOKS_AT_TABLES_EVERY = timedelta(seconds=1)
TOMBSTONES_KEPT = timedelta(milliseconds=int(DIRECTORY.settings["delete.retention.ms"]))
ENDS_WITHIN = timedelta(seconds=5)

NEWER = "only records of a version newer than this one wait"
SET_BACK = (
    "the database lacks facts that were applied: a standby that lagged was promoted, or a backup restored. "
    "Reading them again from Kafka"
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Servers:
    """What the projector talks to."""

    schemas: SchemaRegistry
    read_model: PostgresReadModel
    producer: RecordProducer
    dead_letter_producer: RecordProducer

    async def all_answer(self) -> bool:
        """Say whether everything that applying a record needs answers now."""
        try:
            await self.read_model.check()
            await self.schemas.wait_until_ready(deadline=REGISTRY_ANSWERS_WITHIN)
        except (TransientFailure, RegistryUnavailable, TimeoutError):
            return False
        return True


async def run_service(settings: Settings, stopping: asyncio.Event, *, migrate_first: bool = False) -> None:
    """Project until `stopping` is set.

    Health answers from the beginning, ready once the read model is open. Raises ReadModelOutdated,
    DeadLetterLimitExceeded, LogLost, TopicReplaced, or what a bug raises; nothing uncommitted is lost.
    """
    registry, health = CollectorRegistry(), Health()
    async with asyncio.TaskGroup() as tasks:
        operations = tasks.create_task(serve_operations(settings, health, registry, stopping))
        with contextlib.suppress(DeliveryStopped):
            async with AsyncExitStack() as stack:
                opening = Opening(health)
                servers = await _open_servers(settings, stopping, stack, migrate_first=migrate_first)
                need_servers(health, servers.read_model.check, servers.producer)
                health.use(
                    Dependency(
                        "schema-registry", servers.schemas.check, away=RegistryUnavailable, meanwhile=NEWER
                    )
                )
                await stack.enter_async_context(health.watching())
                metrics = ProjectorMetrics(registry)
                delivery = _Delivery(settings, servers, registry, health, metrics)
                collect_rarely()
                opening.done()
                beside = _start_beside(settings, servers, registry, metrics, stopping)
                await _project(delivery, beside, stopping)
        await operations


async def _open_servers(
    settings: Settings, stopping: asyncio.Event, stack: AsyncExitStack, *, migrate_first: bool
) -> _Servers:
    schemas = await stack.enter_async_context(SchemaRegistry(settings.registry.url, settings.registry.tls()))
    read_model = await wait_for_tables(settings, stopping, stack, migrate_first=migrate_first)
    producer = RecordProducer(settings.kafka)
    stack.push_async_callback(producer.stop)
    dead_letter_producer = RecordProducer(settings.kafka, max_request_bytes=MOST_BYTES)
    stack.push_async_callback(dead_letter_producer.stop)
    return _Servers(schemas, read_model, producer, dead_letter_producer)


def _start_beside(
    settings: Settings,
    servers: _Servers,
    registry: CollectorRegistry,
    metrics: ProjectorMetrics,
    stopping: asyncio.Event,
) -> Sequence[asyncio.Task[None]]:
    """Start the clock, the backlog and, where it is not in a process of its own, the change feed."""
    codec = Codec(servers.schemas, prefix=settings.kafka.topic_prefix)
    ticking = tick_clock(
        servers.read_model,
        KafkaTickPublisher(servers.producer, codec, settings.kafka),
        stopping,
        interval=settings.tick_interval,
        now=lambda: datetime.now(UTC),
    )
    working = work_off_backlog(servers.read_model.beside, metrics, stopping)
    watching = watch_backlog(servers.read_model, metrics, stopping)
    started = [asyncio.create_task(each) for each in (ticking, working, watching)]
    if settings.feed_changes:
        started.append(asyncio.create_task(feed_changes(settings, servers.schemas, registry, stopping)))
    for task in started:
        # It ends when all ends, or by a bug that must end all.
        task.add_done_callback(lambda _: stopping.set())
    return started


async def _project(
    delivery: "_Delivery", beside: Sequence[asyncio.Task[None]], stopping: asyncio.Event
) -> None:
    """Deliver records until `stopping` is set, then end what runs beside; raise what a bug raised there."""
    try:
        await delivery.run(stopping)
    finally:
        stopping.set()
        ticking, *_ = beside
        ticking.cancel()
        # What is being published gets its acknowledgements, so that nothing comes twice.
        await asyncio.wait(beside, timeout=ENDS_WITHIN.total_seconds())
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
    for task in beside:
        if not task.cancelled():
            task.result()


def _waits(failure: Exception, delay: timedelta) -> None:
    log.warning(
        "the directory cannot be compared yet",
        dependency="kafka",
        detail=str(failure),
        again_in=delay.total_seconds(),
    )


class _Delivery:
    """Records to the read model, from one set of tables to the next that a rebuild puts in place."""

    def __init__(
        self,
        settings: Settings,
        servers: _Servers,
        registry: CollectorRegistry,
        health: Health,
        metrics: ProjectorMetrics,
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._no_leap = NoLeap(servers.read_model.as_of, TOMBSTONES_KEPT)
        self._time_leaps_to: datetime | None = None
        self._applying = ApplyRecords(
            AvroEventReader(Codec(servers.schemas), prefix=settings.kafka.topic_prefix),
            servers.read_model,
            metrics,
            is_tracing=settings.tracing_endpoint is not None,
            before_time_comes=self._no_leap.check,
        )
        self._dead_letters = open_dead_letters(
            settings.kafka, servers.dead_letter_producer, service=SERVICE, version=version(SERVICE)
        )
        self._metrics = DeliveryMetrics(registry)
        self._source = self._new_source()
        self._watchdog = ProgressWatchdog(lambda: sum(self._source.lag().values()), settings.stall_limit)
        health.add_live("progress", self._watchdog.check)

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping` is set; where other tables answer, go on from their positions.

        Those that a rebuild or rollback put in place, or those of a standby that was promoted.
        """
        while True:
            await self._take_back_missed(stopping)
            await self._deliver(self._new_loop(), stopping)
            if stopping.is_set():
                return
            log.info("going on from the positions of the read model")
            self._source = self._new_source()

    async def _take_back_missed(self, stopping: asyncio.Event) -> None:
        """Before records move the clock: afterwards nothing would show that nobody followed."""
        directory = TopicPartition(self._settings.kafka.topic(DIRECTORY.name), 0)

        async def read_keys() -> TopicKeys | None:
            # Raises where the topic is not the one that was consumed: it says nothing about the tables.
            positions = await self._positions([directory])
            return await read_directory_keys(self._settings.kafka, positions) if positions else None

        # The log's own time vouches for a tick; this machine's clock may be of long ago.
        now, self._time_leaps_to = self._time_leaps_to or datetime.now(UTC), None

        async def attempt() -> int:
            return await take_back_missed(
                self._servers.read_model,
                read_keys,
                self._applying.take_back,
                tombstones_kept=TOMBSTONES_KEPT,
                now=now,
            )

        await retry(attempt, backoff=Backoff(), retry_on=TransientFailure, stopping=stopping, on_retry=_waits)
        self._no_leap.compared(now)

    async def _deliver(self, loop: DeliveryLoop, stopping: asyncio.Event) -> None:
        """Deliver until `stopping` is set, or until other tables answer."""
        ending = asyncio.Event()

        async def watch() -> None:
            # Without traffic no transaction would notice.
            while not await wait(LOOKS_AT_TABLES_EVERY, stopping):
                if await self._servers.read_model.is_switched():
                    log.info("other tables took the place of the read model")
                    break
                if await self._servers.read_model.lacks(self._source.done):
                    log.warning(SET_BACK)
                    break
            ending.set()

        watching = asyncio.create_task(watch())
        try:
            await loop.run(ending)
        except ReadModelSwitched:
            log.info("a batch came too late for the tables that it was read for; nothing of it was applied")
        except PositionsSetBack as set_back:
            log.warning(SET_BACK, detail=str(set_back))
        except TimeLeaps as leap:
            log.warning("nobody followed for long; the directory is compared first", detail=str(leap))
            self._time_leaps_to = leap.to
        finally:
            watching.cancel()

    def _new_source(self) -> RecordSource:
        kafka = self._settings.kafka
        return RecordSource(
            kafka,
            [kafka.topic(topic.name) for topic in TOPICS],
            kafka.group(SERVICE),
            positions=self._positions,
            max_records=self._settings.batch_records,
        )

    async def _positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where to go on, of the topics that were consumed before."""
        names = {each.topic for each in partitions}
        topics = await identify_topics(self._settings.kafka, names)
        if missing := names - topics.keys():
            # A broker may hear later of one that was made again; without its id nothing is compared.
            raise TransientFailure("kafka", f"no topic {', '.join(sorted(missing))}")
        return await self._servers.read_model.positions(partitions, topics)

    def _new_loop(self) -> DeliveryLoop:
        return DeliveryLoop(
            self._source,
            dead_letters=self._dead_letters,
            handle_batch=self._applying.apply,
            on_dead_letter=self._applying.pass_over,
            dependencies_pass=self._servers.all_answer,
            progressed=self._watchdog.progressed,
            metrics=self._metrics,
            # Kafka's committed offset serves lag dashboards only.
            commit_interval=timedelta(seconds=1),
        )

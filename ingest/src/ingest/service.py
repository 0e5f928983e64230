"""The parts of ingest put together, and its life: connect, read what must be known, serve, drain, close."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.org_types import load_org_types
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, CORRECTIONS, DIRECTORY, ENROLMENTS, PUNCHES
from ingest.adapters.kafka_directory import KafkaDirectory
from ingest.adapters.kafka_event_publisher import KafkaEventPublisher
from ingest.adapters.s3_image_store import S3ImageStore
from ingest.adapters.sequence_rebuild import SequenceRebuild
from ingest.adapters.valkey_device_sequences import ValkeyDeviceSequences
from ingest.app import Desks, Rules, create_app
from ingest.captures.accept_capture import CaptureDesk
from ingest.corrections.record_correction import CorrectionDesk
from ingest.directory.record_directory import DirectoryDesk
from ingest.domain.image_metadata import ImageLimits
from ingest.enrolments.erase_biometrics import ErasureDesk
from ingest.enrolments.request_enrolment import EnrolmentDesk
from ingest.http.authentication import Doorkeeper
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import PunchDesk
from ingest.settings import Settings
from service_kit.backoff import Backoff, retry
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.http.serve import serve
from service_kit.http.tokens import TokenVerifier
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.health import Health
from service_kit.observing.logs import get_logger
from service_kit.state.object_store import ObjectStore

# A dependency that is away at the start is asked again soon: traffic waits for it.
START_BACKOFF = timedelta(seconds=5)

log = get_logger(__name__)


class Service:
    """One ingest process. `app` answers at once; writes are asked to come back until `start` is through."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        timeout = timedelta(seconds=settings.dependency_timeout_seconds)
        kafka = settings.kafka
        registry = CollectorRegistry()
        self.metrics = IngestMetrics(registry)
        self._schema_registry = SchemaRegistry(settings.schema_registry.url, timeout=timeout.total_seconds())
        self._codec = Codec(self._schema_registry, prefix=kafka.topic_prefix)
        self._objects = ObjectStore(settings.object_store, timeout=timeout)
        self._producer = RecordProducer(kafka, timeout=timeout)
        self._sequences = ValkeyDeviceSequences(
            settings.valkey.url.get_secret_value(), prefix=kafka.topic_prefix
        )
        self._rebuild = SequenceRebuild(self._sequences, kafka, self._codec, self.metrics)
        publisher = KafkaEventPublisher(self._producer, self._codec, kafka)
        self._directory = KafkaDirectory(kafka, self._codec, publisher, self.metrics, timeout=timeout)
        self._started = False
        health = Health()
        health.add_ready("start", self._check_started)
        health.add_ready("directory", self._directory.check)
        images = S3ImageStore(self._objects, settings.object_store.bucket)
        limits = ImageLimits(
            size_bytes=settings.max_image_bytes,
            pixels=settings.max_image_pixels,
            least_side_px=settings.min_image_side_px,
        )
        self.app = create_app(
            Doorkeeper(TokenVerifier(settings.auth), self._directory, lambda: self._started),
            Desks(
                captures=CaptureDesk(images, publisher, self._sequences, _now, limits),
                enrolments=EnrolmentDesk(images, publisher, self._directory, _now, limits),
                directory=DirectoryDesk(
                    self._directory, _now, org_types=load_org_types(settings.org_types_dir)
                ),
                erasures=ErasureDesk(publisher, self._directory, _now),
                punches=PunchDesk(images, publisher, self._directory, self._sequences, _now),
                corrections=CorrectionDesk(images, publisher, self._directory, _now),
            ),
            Rules(settings.query_api_url, settings.max_enrolment_bytes, settings.max_import_bytes),
            self.metrics,
            health=health,
            registry=registry,
        )

    async def start(self, stopping: asyncio.Event) -> None:
        """Read what must be known before any request, waiting for what is away. Raises DeliveryStopped."""
        await self._patiently("schemas", self._prepare_codec, stopping)
        await self._patiently("kafka", self._producer.start, stopping)
        await self._patiently("directory", self._directory.start, stopping)
        try:
            await self._rebuild.rebuild_if_needed()
        except TransientFailure as failure:
            # Valkey does not hold up captures: `follow` rebuilds when it is back.
            log.warning("starting without device sequences", reason=str(failure))
            self._sequences.incomplete.set()
        self._started = True
        log.info("ready")

    async def follow(self, stopping: asyncio.Event) -> None:
        """Keep the views up to date until told to stop; raises the bug that one of them died of."""
        rebuilding = asyncio.create_task(self._rebuild.run(stopping))
        following = asyncio.create_task(self._directory.join())
        try:
            await asyncio.wait({rebuilding, following}, return_when=asyncio.FIRST_COMPLETED)
            for task in (rebuilding, following):
                if task.done():
                    task.result()
        finally:
            rebuilding.cancel()
            following.cancel()

    async def close(self) -> None:
        """Flush and close everything."""
        await self._directory.stop()
        await self._producer.stop()
        await self._sequences.close()
        await self._objects.close()
        await self._schema_registry.__aexit__(None, None, None)

    async def _check_started(self) -> None:
        if not self._started:
            raise TransientFailure("ingest", "still starting; the log says what it waits for")

    async def _prepare_codec(self) -> None:
        await self._codec.prepare([CAPTURES, CAPTURES_BACKLOG, ENROLMENTS, DIRECTORY, PUNCHES, CORRECTIONS])

    async def _patiently(
        self, what: str, operation: Callable[[], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        await retry(
            operation,
            backoff=Backoff(maximum=START_BACKOFF),
            retry_on=(TransientFailure, RegistryUnavailable, SchemaNotRegistered),
            stopping=stopping,
            on_retry=lambda failure, _delay: log.warning("waiting", what=what, reason=str(failure)),
        )


async def run_service(
    settings: Settings, stopping: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Serve until told to stop, then finish the requests in flight."""
    async with AsyncExitStack() as stack:
        service = Service(settings)
        stack.push_async_callback(service.close)
        living = asyncio.create_task(_live(service, stopping))
        serving = asyncio.create_task(
            serve(
                service.app,
                settings.host,
                settings.port,
                stopping=stopping,
                drain=timedelta(seconds=settings.drain_seconds),
                on_listening=on_listening,
            )
        )
        done, _ = await asyncio.wait({living, serving}, return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        await asyncio.wait({serving, living})
        for task in (*done, serving, living):
            task.result()


async def _live(service: Service, stopping: asyncio.Event) -> None:
    try:
        await service.start(stopping)
    except DeliveryStopped:
        return
    following = asyncio.create_task(service.follow(stopping))
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({following, stop}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
    finally:
        following.cancel()
        stop.cancel()
        await asyncio.wait({following})


def _now() -> datetime:
    return datetime.now(UTC)

"""The parts of ingest put together: open what it writes to, serve at once, start beside it, drain, close."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.org_types import load_org_types
from attendance_schemas.registry import SchemaRegistry
from ingest.adapters.kafka_directory import KafkaDirectory
from ingest.adapters.kafka_event_publisher import KafkaEventPublisher
from ingest.adapters.s3_image_store import S3ImageStore
from ingest.adapters.sequence_rebuild import SequenceRebuild
from ingest.adapters.valkey_device_sequences import ValkeyDeviceSequences
from ingest.app import Desks, Rules, create_app
from ingest.captures.accept_capture import CaptureDesk
from ingest.corrections.record_correction import CorrectionDesk
from ingest.directory.record_directory import DirectoryDesk
from ingest.domain.acceptable_image import ImageLimits
from ingest.enrolments.erase_biometrics import ErasureDesk
from ingest.enrolments.request_enrolment import EnrolmentDesk
from ingest.http.authentication import Doorkeeper
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import PunchDesk
from ingest.settings import Settings
from ingest.startup import Startup
from service_kit.http.deadlines import Deadlines
from service_kit.http.serve import serve
from service_kit.http.tokens import TokenVerifier
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health
from service_kit.observing.logs import get_logger
from service_kit.state.object_store import ObjectStore

# What clients get while something is away.
NOTHING_ACCEPTED = "every request gets 503; devices and clients keep what they have and send it again"
DIRECTORY_ONLY = (
    "captures, punches, enrolments and corrections get 503 and are sent again; the directory goes on"
)
NEW_STARTS_WAIT = "what runs goes on; a process that starts now waits for it"
NO_SEQUENCES = "captures and punches are accepted; devices are not told how far their sequence came"

log = get_logger(__name__)


async def serve_ingest(
    settings: Settings, stopping: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Serve until told to stop, then finish the requests in flight."""

    def listening(port: int) -> None:
        log.info("listening", host=settings.host, port=port)
        if on_listening is not None:
            on_listening(port)

    async with AsyncExitStack() as stack:
        app, startup = await _open_app(settings, stack)
        async with asyncio.TaskGroup() as tasks:
            beside = tasks.create_task(startup.run(stopping))
            await serve(
                app,
                settings.host,
                settings.port,
                stopping=stopping,
                tls=settings.tls(),
                drain=timedelta(seconds=settings.drain_seconds),
                deadlines=Deadlines(body=timedelta(seconds=settings.body_timeout_seconds)),
                on_listening=listening,
            )
            beside.cancel()


async def _open_app(settings: Settings, stack: AsyncExitStack) -> tuple[ASGIApp, Startup]:
    registry, health = CollectorRegistry(), Health()
    metrics = IngestMetrics(registry)
    schemas = await _open_schemas(settings, stack)
    codec = Codec(schemas, prefix=settings.kafka.topic_prefix)
    producer = RecordProducer(settings.kafka, timeout=_timeout(settings))
    stack.push_async_callback(producer.stop)
    publisher = KafkaEventPublisher(producer, codec, settings.kafka)
    directory = _open_directory(settings, codec, metrics, stack)
    sequences = _open_sequences(settings, stack)
    rebuild = SequenceRebuild(sequences, settings.kafka, codec, metrics)
    images, tokens = _open_images(settings, stack), TokenVerifier(settings.auth)
    startup = Startup(codec, producer, directory, images, rebuild)
    health.add_ready("start", startup.check)
    health.add_ready("directory", directory.check)
    health.add_note("directory", directory.describe)
    health.add_ready("token-issuer", tokens.check)
    _name_dependencies(health, producer, images, schemas, sequences)
    await stack.enter_async_context(health.watching())
    app = create_app(
        Doorkeeper(tokens, directory, startup.let_in),
        _desks(settings, images, publisher, directory, sequences),
        Rules(settings.query_api_url, settings.max_enrolment_bytes, settings.max_import_bytes),
        metrics,
        health=health,
        registry=registry,
    )
    return app, startup


async def _open_schemas(settings: Settings, stack: AsyncExitStack) -> SchemaRegistry:
    registry, seconds = settings.schema_registry, settings.dependency_timeout_seconds
    return await stack.enter_async_context(SchemaRegistry(registry.url, registry.tls(), timeout=seconds))


def _name_dependencies(
    health: Health,
    producer: RecordProducer,
    images: S3ImageStore,
    schemas: SchemaRegistry,
    sequences: ValkeyDeviceSequences,
) -> None:
    health.need(Dependency("kafka", producer.check, meanwhile=NOTHING_ACCEPTED))
    health.need(Dependency("object-store", images.check, meanwhile=DIRECTORY_ONLY))
    health.use(
        Dependency("schema-registry", schemas.check, away=RegistryUnavailable, meanwhile=NEW_STARTS_WAIT)
    )
    health.use(Dependency("valkey", sequences.check, meanwhile=NO_SEQUENCES))


def _open_directory(
    settings: Settings,
    codec: Codec,
    metrics: IngestMetrics,
    stack: AsyncExitStack,
) -> KafkaDirectory:
    # A late record must not be sent after what others recorded meanwhile.
    producer = RecordProducer(settings.kafka, timeout=_timeout(settings), forget_late=True)
    stack.push_async_callback(producer.stop)
    publisher = KafkaEventPublisher(producer, codec, settings.kafka)
    directory = KafkaDirectory(settings.kafka, codec, publisher, metrics, timeout=_timeout(settings))
    stack.push_async_callback(directory.stop)
    return directory


def _open_sequences(settings: Settings, stack: AsyncExitStack) -> ValkeyDeviceSequences:
    url, prefix = settings.valkey.url.get_secret_value(), settings.kafka.topic_prefix
    sequences = ValkeyDeviceSequences(url, settings.valkey.tls(), prefix=prefix)
    stack.push_async_callback(sequences.close)
    return sequences


def _open_images(settings: Settings, stack: AsyncExitStack) -> S3ImageStore:
    objects = ObjectStore(settings.object_store, timeout=_timeout(settings))
    stack.push_async_callback(objects.close)
    return S3ImageStore(objects, settings.object_store.bucket)


def _desks(
    settings: Settings,
    images: S3ImageStore,
    publisher: KafkaEventPublisher,
    directory: KafkaDirectory,
    sequences: ValkeyDeviceSequences,
) -> Desks:
    limits = ImageLimits(
        size_bytes=settings.max_image_bytes,
        pixels=settings.max_image_pixels,
        least_side_px=settings.min_image_side_px,
    )
    types = load_org_types(settings.org_types_dir)
    oldest = timedelta(days=settings.max_age_days)
    return Desks(
        captures=CaptureDesk(images, publisher, sequences, _now, limits, oldest),
        enrolments=EnrolmentDesk(images, publisher, directory, _now, limits),
        directory=DirectoryDesk(directory, _now, org_types=types),
        erasures=ErasureDesk(publisher, directory, _now),
        punches=PunchDesk(images, publisher, directory, sequences, _now, oldest),
        corrections=CorrectionDesk(images, publisher, directory, _now),
    )


def _timeout(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.dependency_timeout_seconds)


def _now() -> datetime:
    return datetime.now(UTC)

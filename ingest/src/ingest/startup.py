"""What ingest must know before its first request, and the views that it keeps up to date afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, CORRECTIONS, DIRECTORY, ENROLMENTS, PUNCHES
from ingest.adapters.kafka_directory import KafkaDirectory
from ingest.adapters.s3_image_store import S3ImageStore
from ingest.adapters.sequence_rebuild import SequenceRebuild
from service_kit.backoff import Backoff, retry
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.logs import get_logger

# A dependency that is away at the start is asked again soon: traffic waits for it.
START_BACKOFF = timedelta(seconds=5)
WRITTEN_TOPICS = (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS, DIRECTORY, PUNCHES, CORRECTIONS)

log = get_logger(__name__)


class Startup:
    """Reads what must be known, however long a dependency is away; until then no request is accepted."""

    def __init__(
        self,
        codec: Codec,
        producer: RecordProducer,
        directory: KafkaDirectory,
        images: S3ImageStore,
        sequences: SequenceRebuild,
    ) -> None:
        self._codec = codec
        self._producer = producer
        self._directory = directory
        self._images = images
        self._sequences = sequences
        self._waits_for = "its start"
        self._is_done = False

    async def check(self) -> None:
        """Raise TransientFailure until requests can be accepted; for readiness."""
        if not self._is_done:
            raise TransientFailure("ingest", f"still starting, waits for {self._waits_for}")

    async def let_in(self) -> None:
        """Raise TransientFailure until requests can be accepted, and while a revocation may be unseen."""
        await self.check()
        await self._directory.check()

    async def run(self, stopping: asyncio.Event) -> None:
        """Start, then keep the views up to date until told to stop.

        Raises OverwritingStore for a store that nothing may be entrusted to, and the bug that a view died of.
        """
        try:
            await self._start(stopping)
        except DeliveryStopped:
            return
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._directory.join()),
                tasks.create_task(self._directory.keep_repaired()),
            ]
            await self._sequences.run(stopping)
            for task in beside:
                task.cancel()

    async def _start(self, stopping: asyncio.Event) -> None:
        await self._patiently("schema-registry", lambda: self._codec.prepare(WRITTEN_TOPICS), stopping)
        await self._patiently("kafka", self._producer.start, stopping)
        await self._patiently("directory", self._directory.start, stopping)
        await self._patiently("object-store", self._images.require_first_wins, stopping)
        self._is_done = True
        log.info("ready")

    async def _patiently(
        self, what: str, operation: Callable[[], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        def tell(failure: Exception, _delay: timedelta) -> None:
            self._waits_for = f"{what}: {failure}"
            log.warning("the start waits", dependency=what, reason=str(failure))

        self._waits_for = what
        await retry(
            operation,
            backoff=Backoff(maximum=START_BACKOFF),
            retry_on=(TransientFailure, RegistryUnavailable, SchemaNotRegistered),
            stopping=stopping,
            on_retry=tell,
        )

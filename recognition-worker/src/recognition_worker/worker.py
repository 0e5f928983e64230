"""Composes one worker from its parts and runs them in order.

Models, then the gallery, then records: nothing is taken before the gallery is complete. Health and metrics
are served from the beginning.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, ENROLMENTS
from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.adapters.faust_app import FaustRunner, Feed
from recognition_worker.adapters.kafka_gallery_view import GalleryFeed, KafkaGalleryView
from recognition_worker.adapters.kafka_match_publisher import WRITTEN_TOPICS, KafkaMatchPublisher
from recognition_worker.adapters.object_store_image_reader import ObjectStoreImageReader
from recognition_worker.adapters.record_handlers import RecordHandlers
from recognition_worker.adapters.vision import Vision, load_vision
from recognition_worker.decide_capture import DecideCapture
from recognition_worker.decide_enrolment import DecideEnrolment
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.settings import Settings
from service_kit.backoff import Backoff, retry
from service_kit.dead_letters import DeadLetters
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.health import Health, ProgressWatchdog, operations_app
from service_kit.logs import get_logger
from service_kit.metrics import DeliveryMetrics
from service_kit.object_store import ObjectStore
from service_kit.producer import RecordProducer
from service_kit.serve import serve

SERVICE = "recognition-worker"
ENROLMENTS_AT_ONCE = 2
log = get_logger(SERVICE)


class Worker:
    """The parts of one worker.

    `run` starts them in order: nothing is taken before the gallery is complete.
    """

    def __init__(self, settings: Settings, stopping: asyncio.Event) -> None:
        self._settings = settings
        self._stopping = stopping
        self._registry = CollectorRegistry()
        self._metrics = RecognitionMetrics(self._registry)
        self._delivery_metrics = DeliveryMetrics(self._registry)
        self._health = Health()
        self._health.add_ready("startup", self._starting)
        self._runner: FaustRunner | None = None

    async def run(self) -> None:
        """Work until `stopping` is set.

        Raises:
            Exception: a bug, a refused model, or too many dead letters; the process ends and is restarted.
        """
        working = asyncio.create_task(self._load_and_work(), name="work")
        ops = operations_app(self._health, self._registry)
        serving = asyncio.create_task(
            serve(ops, self._settings.host, self._settings.port, on_listening=_listening), name="operations"
        )
        # Serving ends by itself only when it cannot listen.
        serving.add_done_callback(lambda _task: self._stopping.set())
        try:
            await working
        finally:
            serving.cancel()
            await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()

    async def _load_and_work(self) -> None:
        async with AsyncExitStack() as stack:
            settings = self._settings
            vision = await asyncio.to_thread(
                load_vision,
                settings.model_cache,
                settings.embedder,
                target_fpir=settings.target_fpir,
                calibration=settings.calibration,
            )
            log.info(
                "models loaded",
                model=str(vision.model),
                embedder=vision.embedder.value,
                target_fpir=settings.target_fpir,
            )
            self._metrics.model_info.labels(vision.model.name, vision.model.version).set(1)
            try:
                await self._work(vision, stack)
            except DeliveryStopped:
                log.info("stopped before the start was complete")

    async def _work(self, vision: Vision, stack: AsyncExitStack) -> None:
        settings, kafka = self._settings, self._settings.kafka
        schemas = await stack.enter_async_context(SchemaRegistry(settings.schema_registry.url))
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await self._patiently(lambda: codec.prepare(WRITTEN_TOPICS))
        producer = RecordProducer(kafka)
        stack.push_async_callback(producer.stop)
        await self._patiently(producer.start)
        view = KafkaGalleryView(kafka, GalleryFeed(vision.gallery, vision.model, codec, self._metrics))
        stack.push_async_callback(view.stop)
        await self._patiently(view.start)
        store = ObjectStore(settings.object_store, threads=settings.image_fetches)
        stack.push_async_callback(store.close)
        inference = await stack.enter_async_context(
            BatchedInference(
                vision.identify,
                vision.enrol,
                threads=settings.inference_threads,
                batch_size=settings.batch_size,
                on_batch=self._metrics.batch_size.observe,
            )
        )
        images = ObjectStoreImageReader(store, at_once=settings.image_fetches)
        publisher = KafkaMatchPublisher(producer, codec, kafka)
        watchdog = ProgressWatchdog(self._lag, timedelta(seconds=settings.stalled_after_seconds))
        handlers = RecordHandlers(
            codec,
            kafka,
            DecideCapture(images, inference, publisher, self._metrics, now=_now),
            DecideEnrolment(images, inference, publisher, self._metrics, now=_now),
            DeadLetters(producer, service=SERVICE, version=version(SERVICE)),
            metrics=self._delivery_metrics,
            progressed=watchdog.progressed,
        )
        self._runner = runner = FaustRunner(kafka, kafka.group(SERVICE), self._feeds(handlers))
        self._observe(runner, view, watchdog)
        await self._until_one_ends(runner, view)

    def _feeds(self, handlers: RecordHandlers) -> list[Feed]:
        settings, kafka = self._settings, self._settings.kafka
        size, within = settings.batch_size, timedelta(milliseconds=settings.batch_within_ms)
        live, backlog = kafka.topic(CAPTURES.name), kafka.topic(CAPTURES_BACKLOG.name)
        limit = 4 * size
        return [
            Feed("captures", (live,), handlers.capture, size, within, taken_limit=limit),
            Feed(
                "enrolments",
                (kafka.topic(ENROLMENTS.name),),
                handlers.enrolment,
                ENROLMENTS_AT_ONCE,
                within,
                taken_limit=2 * ENROLMENTS_AT_ONCE,
            ),
            Feed(
                "captures-backlog",
                (backlog,),
                handlers.capture,
                size,
                within,
                taken_limit=limit,
                gives_way=True,
            ),
        ]

    def _observe(self, runner: FaustRunner, view: KafkaGalleryView, watchdog: ProgressWatchdog) -> None:
        self._health.add_live("progress", watchdog.check)
        self._health.add_live("commits", runner.check_commits)
        self._health.add_ready("gallery", view.check)
        self._health.add_ready("consumer-group", runner.check)
        for topic in runner.topics:
            name = topic.removeprefix(self._settings.kafka.topic_prefix)
            self._metrics.lag.labels(name).set_function(partial(runner.lag_of, topic))

    async def _until_one_ends(self, runner: FaustRunner, view: KafkaGalleryView) -> None:
        following = asyncio.create_task(view.join())
        following.add_done_callback(lambda _task: self._stopping.set())
        try:
            await runner.run(self._stopping)
            if following.done() and not following.cancelled():
                following.result()
        finally:
            following.cancel()

    def _lag(self) -> int:
        return self._runner.lag() if self._runner else 0

    async def _starting(self) -> None:
        if self._runner is None:
            raise TransientFailure("startup", "models and gallery are being loaded")

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        await retry(
            step,
            backoff=Backoff(maximum=timedelta(seconds=5)),
            retry_on=(TransientFailure, RegistryUnavailable),
            stopping=self._stopping,
            on_retry=lambda failure, _delay: log.warning("the start waits", detail=str(failure)),
        )


def _listening(port: int) -> None:
    log.info("listening", port=port)


def _now() -> datetime:
    return datetime.now(UTC)

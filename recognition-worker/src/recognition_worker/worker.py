"""Composes one worker from its parts and runs them in order.

The rollout, then models, then the gallery, then records: nothing is taken before the gallery is complete.
Health and metrics are served from the beginning.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, ENROLMENTS
from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.adapters.faust.faust_app import FaustRunner, Feed
from recognition_worker.adapters.models.manifest_files import read_calibration, read_registry
from recognition_worker.adapters.models.object_store_weights import ObjectStoreWeights
from recognition_worker.adapters.models.packaged_models import WeightPlaces
from recognition_worker.adapters.object_store_image_reader import ObjectStoreImageReader
from recognition_worker.adapters.record_handlers import RecordHandlers
from recognition_worker.adapters.topics.erasure_sweep import ErasureSweep
from recognition_worker.adapters.topics.kafka_directory_view import DirectoryFeed, KafkaDirectoryView
from recognition_worker.adapters.topics.kafka_gallery_view import KafkaGalleryView
from recognition_worker.adapters.topics.kafka_match_publisher import WRITTEN_TOPICS
from recognition_worker.adapters.topics.kafka_rollouts import KafkaRollouts
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.rollout import RolloutPlan
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.decide_enrolment import DecideEnrolment
from recognition_worker.recognition.erase_person import ErasePerson
from recognition_worker.rollout.adapters.eyes import load_eyes
from recognition_worker.rollout.keep_lanes import KeepLanes
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.settings import Settings
from service_kit.backoff import Backoff, retry
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.http.serve import serve
from service_kit.kafka.dead_letters import DeadLetters
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.health import Health, ProgressWatchdog, operations_app
from service_kit.observing.logs import get_logger
from service_kit.state.object_store import ObjectStore

SERVICE = "recognition-worker"
ENROLMENTS_AT_ONCE = 2
# What captures leave behind, not models and gallery, which live to the end.
YOUNG_OBJECTS = 20_000
log = get_logger(SERVICE)

ManifestOf = Callable[[ModelId], ModelManifest]


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


Part = TypeVar("Part", bound=_Part)


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
        settings = self._settings
        registry = read_registry(settings.model_registry)
        calibration = read_calibration(settings.calibration) if settings.calibration else None
        manifest_of = partial(registry.in_force, target_fpir=settings.target_fpir, calibration=calibration)
        if calibration is not None:
            manifest_of(calibration.model)  # refuses one of a model that is not there
        default = manifest_of(registry.find(settings.model).model)
        default.check_licence()
        default.check_calibrated()
        async with AsyncExitStack() as stack:
            try:
                await self._work(manifest_of, default.model, stack)
            except DeliveryStopped:
                log.info("stopped before the start was complete")

    async def _work(self, manifest_of: ManifestOf, default: ModelId, stack: AsyncExitStack) -> None:
        settings, kafka = self._settings, self._settings.kafka
        schemas = await stack.enter_async_context(SchemaRegistry(settings.schema_registry.url))
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await self._patiently(lambda: codec.prepare(WRITTEN_TOPICS))
        producer = await self._started(RecordProducer(kafka), stack)
        templates = KafkaTemplates(kafka, codec, producer, settings.template_encryption.ring, now=_now)
        keys = await self._started(templates.keys, stack)
        lanes, rollouts = await self._lanes(manifest_of, default, codec, templates, stack)
        site_people = SitePeople()
        feed = DirectoryFeed(site_people, codec, self._metrics)
        directory = await self._started(KafkaDirectoryView(kafka, feed), stack)
        store = ObjectStore(settings.object_store, threads=settings.image_fetches)
        stack.push_async_callback(store.close)
        inference = await stack.enter_async_context(
            BatchedInference(
                lanes.side_by_side,
                lanes.side_by_side.enrol,
                threads=settings.inference_threads,
                batch_size=settings.batch_size,
                on_batch=self._metrics.batch_size.observe,
            )
        )
        images = ObjectStoreImageReader(store, at_once=settings.image_fetches)
        publisher, metrics = templates.publisher, self._metrics
        watchdog = ProgressWatchdog(self._lag, timedelta(seconds=settings.stalled_after_seconds))
        seeing = (images, inference, publisher, metrics)
        handlers = RecordHandlers(
            codec,
            kafka,
            DecideCapture(*seeing, scope_of=site_people.scope_of, decides=lanes.decides, now=_now),
            DecideEnrolment(*seeing, keys, deciding=lambda: lanes.in_force.deciding, now=_now),
            ErasePerson(keys, lanes, publisher, metrics, now=_now),
            DeadLetters(producer, service=SERVICE, version=version(SERVICE)),
            metrics=self._delivery_metrics,
            progressed=watchdog.progressed,
        )
        self._runner = runner = FaustRunner(kafka, kafka.group(SERVICE), self._feeds(handlers))
        self._health.add_ready("person-keys", keys.check)
        self._health.add_ready("directory", directory.check)
        self._observe(runner, lanes, watchdog)
        collect_rarely(YOUNG_OBJECTS)
        sweep = ErasureSweep(keys, lanes, publisher, metrics)
        await self._until_one_ends(
            runner, lanes.keep(), rollouts.join(), keys.join(), directory.join(), sweep.run()
        )

    async def _lanes(
        self,
        manifest_of: ManifestOf,
        default: ModelId,
        codec: Codec,
        templates: KafkaTemplates,
        stack: AsyncExitStack,
    ) -> tuple[KeepLanes, KafkaRollouts]:
        """Read the rollout, load the model that decides and its gallery, and go on following both."""
        settings, kafka = self._settings, self._settings.kafka
        places = WeightPlaces(settings.model_registry, ObjectStoreWeights(settings.object_store))
        eyes = await asyncio.to_thread(
            load_eyes, settings.model_cache, settings.embedder, places, settings.liveness
        )

        async def open_gallery(lane: Lane) -> KafkaGalleryView:
            def kept_elsewhere(model: ModelId) -> bool:
                return model in lanes.status

            metrics = self._metrics.of_model(lane.model.name, lane.model.version)
            view = templates.view_of({lane.model: lane.gallery}, metrics, kept_elsewhere=kept_elsewhere)
            await self._patiently(view.start)  # the lanes stop it
            return view

        lanes = KeepLanes(manifest_of, eyes.load, open_gallery, on_change=self._show_lanes)
        by_default = RolloutPlan(default)
        rollouts = KafkaRollouts(kafka, codec, lambda plan: lanes.want(plan or by_default))
        await self._started(rollouts, stack)
        stack.push_async_callback(lanes.stop)
        await lanes.start(by_default)
        log.info(
            "models loaded",
            model=str(lanes.in_force.deciding),
            embedder=eyes.embedder.value,
            liveness=settings.liveness.value,
            target_fpir=settings.target_fpir,
        )
        return lanes, rollouts

    def _show_lanes(self, lanes: KeepLanes) -> None:
        self._metrics.show_models(
            lanes.in_force.deciding if lanes.has_started else None,
            {model: status.state.value for model, status in lanes.status.items()},
        )

    def _feeds(self, handlers: RecordHandlers) -> list[Feed]:
        settings, kafka = self._settings, self._settings.kafka
        live, backlog = kafka.topic(CAPTURES.name), kafka.topic(CAPTURES_BACKLOG.name)
        # While one batch is computed, the images of the next are fetched.
        at_once = 2 * settings.batch_size * settings.inference_threads
        limit = 2 * at_once
        return [
            Feed("captures", (live,), handlers.capture, at_once, limit),
            Feed(
                "enrolments",
                (kafka.topic(ENROLMENTS.name),),
                handlers.enrolment,
                ENROLMENTS_AT_ONCE,
                2 * ENROLMENTS_AT_ONCE,
            ),
            Feed("captures-backlog", (backlog,), handlers.capture, at_once, limit, gives_way=True),
        ]

    def _observe(self, runner: FaustRunner, lanes: KeepLanes, watchdog: ProgressWatchdog) -> None:
        self._health.add_live("progress", watchdog.check)
        self._health.add_live("commits", runner.check_commits)
        self._health.add_ready("gallery", lanes.check_gallery)
        self._health.add_ready("rollout", lanes.check_rollout)
        self._health.add_ready("consumer-group", runner.check)
        self._health.add_note("models", lanes.describe)
        for topic in runner.topics:
            name = topic.removeprefix(self._settings.kafka.topic_prefix)
            self._metrics.lag.labels(name).set_function(partial(runner.lag_of, topic))

    async def _until_one_ends(self, runner: FaustRunner, *followers: Coroutine[None, None, None]) -> None:
        following = [asyncio.create_task(follower) for follower in followers]
        for task in following:
            task.add_done_callback(lambda _task: self._stopping.set())
        try:
            await runner.run(self._stopping)
            for task in following:
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    def _lag(self) -> int:
        return self._runner.lag() if self._runner else 0

    async def _starting(self) -> None:
        if self._runner is None:
            raise TransientFailure("startup", "models and gallery are being loaded")

    async def _started(self, part: Part, stack: AsyncExitStack) -> Part:
        """Start a part as soon as what it needs is there; the stack stops it."""
        stack.push_async_callback(part.stop)
        await self._patiently(part.start)
        return part

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

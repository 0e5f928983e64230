"""One worker: the rollout, then models, then the gallery, then records.

Nothing is taken before the gallery is complete. Health and metrics are served from the beginning.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, ENROLMENTS
from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.adapters.faust.faust_app import FaustRunner, Feed
from recognition_worker.adapters.object_store_image_reader import ObjectStoreImageReader
from recognition_worker.adapters.record_handlers import RecordHandlers
from recognition_worker.adapters.topics.erasure_sweep import ErasureSweep
from recognition_worker.adapters.topics.kafka_directory_view import DirectoryFeed, KafkaDirectoryView
from recognition_worker.adapters.topics.kafka_match_publisher import WRITTEN_TOPICS
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.adapters.work_in_hand import WorkInHand
from recognition_worker.composition.kafka import group_positions
from recognition_worker.composition.lanes import Manifests, read_manifests, start_lanes
from recognition_worker.composition.observation import Observation
from recognition_worker.composition.patient_start import PatientStart
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.decide_enrolment import DecideEnrolment
from recognition_worker.recognition.erase_person import ErasePerson
from recognition_worker.rollout.keep_lanes import KeepLanes
from recognition_worker.settings import SERVICE, Settings
from service_kit.collect_rarely import collect_rarely
from service_kit.dead_letters.earlier import open_dead_letters
from service_kit.dead_letters.letters import MOST_BYTES
from service_kit.errors import DeliveryStopped
from service_kit.http.serve import serve
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.health import ProgressWatchdog, operations_app
from service_kit.observing.logs import get_logger
from service_kit.state.object_store import ObjectStore

# The model judges one at a time; the others fetch their photos, and an erasure among them waits for none.
ENROLMENTS_AT_ONCE = 8
# What captures leave behind, not models and gallery, which live to the end.
YOUNG_OBJECTS = 20_000
# Faust and its services tell each step of each start, stop and rebalance.
CHATTY = (
    "faust",
    "mode",
    "recognition_worker.adapters.faust.faust_hardened_consumer",
    "recognition_worker.adapters.faust.faust_quick_thread",
)
log = get_logger(SERVICE)


async def run_worker(settings: Settings, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set.

    Raises:
        Exception: a bug, a refused model, or too many dead letters; the process ends and is restarted.
    """
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    seen = Observation()
    working = asyncio.create_task(_load_and_work(settings, seen, stopping), name="work")
    ops = operations_app(seen.health, seen.registry)
    serving = asyncio.create_task(
        serve(ops, settings.host, settings.port, tls=settings.tls(), on_listening=_listening),
        name="operations",
    )
    # Serving ends by itself only when it cannot listen.
    serving.add_done_callback(lambda _task: stopping.set())
    try:
        await working
    finally:
        serving.cancel()
        await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


async def _load_and_work(settings: Settings, seen: Observation, stopping: asyncio.Event) -> None:
    manifests = read_manifests(settings)
    async with AsyncExitStack() as stack:
        try:
            await _work(settings, manifests, seen, PatientStart(stack, stopping, seen.wait_for), stopping)
        except DeliveryStopped:
            log.info("stopped before the start was complete")


async def _work(
    settings: Settings, manifests: Manifests, seen: Observation, start: PatientStart, stopping: asyncio.Event
) -> None:
    kafka, metrics = settings.kafka, seen.metrics
    registry = SchemaRegistry(settings.schema_registry.url, settings.schema_registry.tls())
    schemas = await start.stack.enter_async_context(registry)
    codec = Codec(schemas, prefix=kafka.topic_prefix)
    await start.step(lambda: codec.prepare(WRITTEN_TOPICS))
    await start.step(group_positions(kafka).check)
    producer = await start.part(RecordProducer(kafka))
    dead_letters = await start.part(RecordProducer(kafka, max_request_bytes=MOST_BYTES))
    key_producer = await start.part(RecordProducer(kafka, forget_late=True))
    ring = settings.template_encryption.ring
    templates = KafkaTemplates(kafka, codec, producer, ring, now=_now, key_producer=key_producer)
    keys, publisher = await start.part(templates.keys), templates.publisher
    lanes, rollouts = await start_lanes(settings, manifests, codec, templates, metrics, start)
    site_people, cameras = SitePeople(), CameraTurns()
    feed = DirectoryFeed(site_people, cameras, codec, metrics)
    directory = await start.part(KafkaDirectoryView(kafka, feed))
    store = _open_store(settings, start.stack)
    images = ObjectStoreImageReader(store, at_once=settings.image_fetches)
    inference = await _start_inference(settings, lanes, metrics, start.stack)
    stalled_after = timedelta(seconds=settings.stalled_after_seconds)
    watchdog = ProgressWatchdog(lambda: runner.lag(), stalled_after)  # noqa: PLW0108 - made below
    seeing = (images, inference, publisher, metrics)
    handlers = RecordHandlers(
        codec,
        DecideCapture(
            *seeing,
            scope_of=site_people.scope_of,
            home_of=site_people.home_of,
            turn_of=cameras.degrees_of,
            decides=lanes.decides,
            knows=lanes.knows,
            now=_now,
        ),
        DecideEnrolment(*seeing, keys, deciding=lambda: lanes.in_force.deciding, knows=lanes.knows, now=_now),
        ErasePerson(keys, lanes, publisher, metrics, now=_now),
        open_dead_letters(kafka, dead_letters, service=SERVICE, version=version(SERVICE)),
        in_hand=WorkInHand(metrics, now=_now),
        metrics=seen.delivery,
        progressed=watchdog.progressed,
    )
    out_limit = timedelta(seconds=settings.out_of_group_after_seconds)
    feeds = _feeds(settings, handlers)
    runner = FaustRunner(kafka, kafka.group(SERVICE), feeds, out_of_group_limit=out_limit)
    seen.observe(keys, directory, lanes)
    seen.need(producer, store, settings.object_store.bucket, schemas)
    await start.stack.enter_async_context(seen.health.watching())
    seen.observe_records(runner, watchdog, kafka.topic_prefix)
    collect_rarely(YOUNG_OBJECTS)
    sweep = ErasureSweep(keys, lanes, publisher, metrics)
    followers = (lanes.keep(), rollouts.join(), keys.join(), directory.join(), sweep.run())
    await _until_one_ends(runner, followers, stopping)


def _open_store(settings: Settings, stack: AsyncExitStack) -> ObjectStore:
    store = ObjectStore(settings.object_store, threads=settings.image_fetches)
    stack.push_async_callback(store.close)
    return store


async def _start_inference(
    settings: Settings, lanes: KeepLanes, metrics: RecognitionMetrics, stack: AsyncExitStack
) -> BatchedInference:
    inference = BatchedInference(
        lanes.side_by_side,
        lanes.side_by_side.enrol,
        threads=settings.inference_threads,
        batch_size=settings.batch_size,
        on_batch=metrics.batch_size.observe,
    )
    return await stack.enter_async_context(inference)


def _feeds(settings: Settings, handlers: RecordHandlers) -> list[Feed]:
    topic = settings.kafka.topic
    # While one batch is computed, the images of the next are fetched.
    at_once = 2 * settings.batch_size * settings.inference_threads
    few = ENROLMENTS_AT_ONCE
    backlog = (topic(CAPTURES_BACKLOG.name),)
    return [
        Feed("captures", (topic(CAPTURES.name),), handlers.live, at_once, 2 * at_once),
        Feed("enrolments", (topic(ENROLMENTS.name),), handlers.enrolment, few, 2 * few),
        Feed("captures-backlog", backlog, handlers.backlog, at_once, 2 * at_once),
    ]


async def _until_one_ends(
    runner: FaustRunner, followers: tuple[Coroutine[None, None, None], ...], stopping: asyncio.Event
) -> None:
    following = [asyncio.create_task(follower) for follower in followers]
    for task in following:
        task.add_done_callback(lambda _task: stopping.set())
    try:
        await runner.run(stopping)
        for task in following:
            if task.done() and not task.cancelled():
                task.result()
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


def _listening(port: int) -> None:
    log.info("listening", port=port)


def _now() -> datetime:
    return datetime.now(UTC)

"""The command `re-enrol`: templates for another model from the stored photos, before it may decide."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from attendance_schemas.topics import GALLERY, PERSON_KEYS
from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.adapters.object_store_image_reader import ObjectStoreImageReader
from recognition_worker.adapters.topics.kafka_rollouts import recorded_rollout
from recognition_worker.adapters.topics.kafka_snapshots import WholeGallery
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.adapters.topics.stored_enrolments import StoredEnrolments
from recognition_worker.composition.answer import Answer
from recognition_worker.composition.kafka import Connected, connected
from recognition_worker.composition.lane_loader import load_eyes
from recognition_worker.composition.models import manifest_of, places_of
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import RolloutRefused
from recognition_worker.evaluation.adapters.terminal import progress
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.rollout.re_enrol import ReEnrol, ReEnrolled
from recognition_worker.settings import ModelChoice, TemplateEncryptionSettings
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

_FETCHES = 8


async def re_enrol(choice: ModelChoice, source_name: str | None, default_model: str) -> Answer:
    """Make what is missing of the templates of `source_name`, by default of the model that decides."""
    lane = await asyncio.to_thread(_load, choice)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected(GALLERY, PERSON_KEYS))
        source = await _source(source_name, default_model, choice, connection)
        if source == lane.model:
            raise RolloutRefused(
                f"{source} decides already: name the model to take the photos of with --from"
            )
        store, photos = await _open_photos(connection, stack)
        templates = await _start_templates(connection, stack)
        gallery = await stack.enter_async_context(WholeGallery(connection.kafka, connection.codec))
        use_case = ReEnrol(
            lane,
            ObjectStoreImageReader(store, at_once=_FETCHES),
            photos.find,
            templates.publisher,
            gallery.still_has,
            now=_now,
        )
        result = await _run(use_case, gallery, source)
    return Answer(partial(_show, result), result.as_json)


def _load(choice: ModelChoice) -> Lane:
    manifest = manifest_of(choice)
    manifest.check_licence()
    return load_eyes(choice.cache, choice.embedder, places_of(choice.registry)).load(manifest)


async def _source(
    named: str | None, default_model: str, choice: ModelChoice, connection: Connected
) -> ModelId:
    if named:
        return read_registry(choice.registry).find(named).model
    plan = (await recorded_rollout(connection.kafka, connection.codec)).plan
    return plan.deciding if plan else read_registry(choice.registry).find(default_model).model


async def _open_photos(connection: Connected, stack: AsyncExitStack) -> tuple[ObjectStore, StoredEnrolments]:
    settings = ObjectStoreSettings.load()
    store = ObjectStore(settings, threads=_FETCHES)
    stack.push_async_callback(store.close)
    stored = StoredEnrolments(store, settings.bucket)
    await stored.read_topic(connection.kafka, connection.codec)
    return store, stored


async def _start_templates(connection: Connected, stack: AsyncExitStack) -> KafkaTemplates:
    producer = await stack.enter_async_context(RecordProducer(connection.kafka, forget_late=True))
    ring = TemplateEncryptionSettings.load().ring
    templates = KafkaTemplates(connection.kafka, connection.codec, producer, ring, now=_now)
    stack.push_async_callback(templates.keys.stop)
    await templates.keys.start()
    return templates


async def _run(use_case: ReEnrol, gallery: WholeGallery, source: ModelId) -> ReEnrolled:
    found = await gallery.templates()
    count = sum(ModelId(one.model_name, one.model_version) == source for one in found)
    with progress("re-enrol", {"templates": count}) as on_templates:
        return await use_case(found, source, on_templates=partial(on_templates, "templates"))


def _show(result: ReEnrolled) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{result.model}: {result.made} templates made, {result.already} were there, of {result.templates} "
        f"templates of {result.people} people with {result.source}"
    )
    if result.erased_meanwhile:
        console.print(f"  {result.erased_meanwhile} were erased meanwhile and are not made")
    for reason, count in result.refused.most_common():
        console.print(f"  {count} not made: {reason}")
    if not result.complete:
        console.print("  people without a template are not found by this model: enrol them anew")


def _now() -> datetime:
    return datetime.now(UTC)

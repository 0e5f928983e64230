"""The command `re-enrol`: templates for another model from the stored photos, before it may decide."""

import argparse
import asyncio
import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from attendance_schemas.events import TemplateEnrolled
from attendance_schemas.topics import GALLERY, PERSON_KEYS
from recognition_worker.adapters.object_store_image_reader import ObjectStoreImageReader
from recognition_worker.adapters.topics.kafka_match_publisher import KafkaMatchPublisher
from recognition_worker.adapters.topics.kafka_person_keys import KafkaPersonKeys
from recognition_worker.adapters.topics.kafka_rollouts import recorded_plan
from recognition_worker.adapters.topics.kafka_snapshots import WholeGallery
from recognition_worker.adapters.topics.stored_enrolments import StoredEnrolments
from recognition_worker.commands.evaluate import print_json
from recognition_worker.commands.kafka import Connected, connected, execute
from recognition_worker.commands.registry_arguments import (
    add_registry,
    default_model,
    manifest_of,
    places_of,
    registry_of,
)
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import RolloutRefused
from recognition_worker.evaluation.adapters.console import progress
from recognition_worker.rollout.adapters.eyes import load_eyes
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.rollout.re_enrol import ReEnrol, ReEnrolled
from recognition_worker.settings import EmbedderChoice, Settings, TemplateEncryptionSettings
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

_FETCHES = 8


def add_re_enrol(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `re-enrol`; its `execute` takes the parsed arguments and returns the exit code."""
    says = "make templates for another model from the stored enrolment photos; run it again to go on"
    parser = commands.add_parser("re-enrol", help=says, description=says)
    parser.add_argument(
        "--model", required=True, help="the model to make templates for, NAME or NAME@VERSION"
    )
    parser.add_argument(
        "--from",
        dest="source",
        help="the model whose templates say which photos count (default: the one that decides)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_registry(parser)
    parser.set_defaults(execute=partial(execute, _re_enrol))


async def _re_enrol(arguments: argparse.Namespace) -> int:
    lane = await asyncio.to_thread(_load, arguments)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected(GALLERY, PERSON_KEYS))
        source = await _source(arguments, connection)
        if source == lane.model:
            raise RolloutRefused(
                f"{source} decides already: name the model to take the photos of with --from"
            )
        settings = ObjectStoreSettings.load()
        store = ObjectStore(settings, threads=_FETCHES)
        stack.push_async_callback(store.close)
        stored = StoredEnrolments(store, settings.bucket)
        await stored.read_topic(connection.kafka, connection.codec)
        producer = await stack.enter_async_context(RecordProducer(connection.kafka))
        keys = KafkaPersonKeys(
            connection.kafka, connection.codec, producer, TemplateEncryptionSettings.load().ring, now=_now
        )
        stack.push_async_callback(keys.stop)
        await keys.start()
        gallery = await stack.enter_async_context(WholeGallery(connection.kafka, connection.codec))
        re_enrol = ReEnrol(
            lane,
            ObjectStoreImageReader(store, at_once=_FETCHES),
            stored.find,
            KafkaMatchPublisher(producer, connection.codec, connection.kafka, keys),
            gallery.still_has,
            now=_now,
        )
        result = await _run(re_enrol, await gallery.templates(), source)
    if arguments.json:
        print_json(result.as_json())
    else:
        _show(result)
    return 0


async def _source(arguments: argparse.Namespace, connection: Connected) -> ModelId:
    if arguments.source:
        return registry_of(arguments).find(arguments.source).model
    plan = await recorded_plan(connection.kafka, connection.codec)
    return plan.deciding if plan else registry_of(arguments).find(default_model()).model


def _load(arguments: argparse.Namespace) -> Lane:
    manifest = manifest_of(arguments)
    manifest.check_licence()
    embedder = EmbedderChoice(os.environ.get(Settings.variable("embedder"), EmbedderChoice.AUTO))
    return load_eyes(arguments.model_cache, embedder, places_of(arguments)).load(manifest)


async def _run(re_enrol: ReEnrol, gallery: list[TemplateEnrolled], source: ModelId) -> ReEnrolled:
    count = sum(ModelId(one.model_name, one.model_version) == source for one in gallery)
    with progress("re-enrol", {"templates": count}) as on_templates:
        return await re_enrol(gallery, source, on_templates=partial(on_templates, "templates"))


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

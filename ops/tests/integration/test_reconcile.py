"""Reconcile by the command alone: each place is written here, so that every kind is found for real."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from attendance_ops.log.provenance import ATTEMPT, JOB, ORIGIN
from attendance_ops.reconcile.repair import BATCH, DETAIL
from attendance_schemas.acceptance import accepted_key, encode_accepted
from attendance_schemas.events import CaptureReceived, Event, ReplayState
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CORRECTIONS,
    MATCHES,
    OPERATIONS,
    PUNCHES,
    Topic,
)
from attendance_testing.polling import eventually
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}
KILLS = int(os.environ.get("RECONCILE_KILLS", "3"))
LOOK = ("reconcile", "--from", "1h", "--grace", "0s", "--json")
APPLY = (*LOOK, "--apply", "--yes", "--wait", "1s")
TOPICS_OF_READERS = {
    "recognition-worker": (CAPTURES, CAPTURES_BACKLOG),
    "attendance-projector": (CAPTURES, CAPTURES_BACKLOG, PUNCHES, CORRECTIONS, MATCHES),
}


@dataclass(slots=True)
class World:
    """The places of an installation, each written by itself; nothing of ours runs."""

    installation: Any
    objects: ObjectStore
    bucket: str
    database: asyncpg.Connection
    numbers: dict[str, int] = field(default_factory=dict)

    def capture(self, org: str = "acme", device: str = "gate-1", **fields: object) -> CaptureReceived:
        """Take a capture, with the next number of the device."""
        self.numbers[device] = number = self.numbers.get(device, 0) + 1
        identity = fields.pop("capture_id", None) or uuid4()
        event = msgspec.structs.replace(
            GOLDEN["CaptureReceived/live"],
            event_id=uuid4(),
            capture_id=identity,
            org_id=org,
            device_id=device,
            device_sequence=number,
            **fields,
        )
        image = msgspec.structs.replace(event.image, key=f"captures/{org}/2026/03/02/{identity}")
        return msgspec.structs.replace(event, image=image)

    def punch(self, **fields: object) -> Event:
        """Make a punch of a supervisor, which has no number."""
        fields = {"event_id": uuid4(), "punch_id": uuid4()} | fields
        return msgspec.structs.replace(GOLDEN["PunchSubmitted/supervisor"], **fields)

    async def store(self, *events: Event, image: bool = True) -> None:
        for event in events:
            key = accepted_key(event.org_id, identity_of(event))
            await self.objects.put(self.bucket, key, encode_accepted(event), "application/json")
            if image and isinstance(event, CaptureReceived):
                await self.objects.put(self.bucket, event.image.key, b"jpeg", "image/jpeg")

    async def publish(self, *events: Event, topic: Topic | None = None, headers: Any = ()) -> None:
        for event in events:
            of = topic or (CAPTURES if isinstance(event, CaptureReceived) else PUNCHES)
            await self.installation.publish(of, [event], headers)

    async def decide(self, *captures: CaptureReceived) -> None:
        """Be recognition."""
        decided = [
            msgspec.structs.replace(
                GOLDEN["MatchDecided/identified"],
                event_id=uuid4(),
                org_id=each.org_id,
                capture_id=each.capture_id,
                device_id=each.device_id,
            )
            for each in captures
        ]
        await self.installation.publish(MATCHES, decided)

    async def show(self, *events: Event) -> None:
        """Be the projector: the rules say no, which is a fate, too."""
        await self.database.executemany(
            "INSERT INTO refused_fact (org_id, kind, fact_id, reason, detail, recorded_at)"
            " VALUES ($1, $2, $3, 'test', 'test', now())",
            [(each.org_id, type(each).__name__, str(identity_of(each))) for each in events],
        )

    async def read(self, readers: Iterable[str] = TOPICS_OF_READERS, beyond: int = 0) -> None:
        """Let groups stand at the ends of their topics, or beyond."""
        kafka = self.installation.kafka
        for group in readers:
            names = [kafka.topic(topic.name) for topic in TOPICS_OF_READERS[group]]
            bounds = await bounds_of(kafka, await partitions_of(kafka, *names))
            consumer = AIOKafkaConsumer(
                group_id=kafka.group(group), bootstrap_servers=kafka.bootstrap_servers
            )
            await consumer.start()
            consumer.assign([TopicPartition(*each) for each in bounds])
            await consumer.commit({TopicPartition(*each): end + beyond for each, (_, end) in bounds.items()})
            await consumer.stop()

    async def all_is_well(self, *events: Event) -> None:
        """Put facts into every place, and let everybody have read them."""
        await self.store(*events)
        await self.publish(*events)
        await self.decide(*[each for each in events if isinstance(each, CaptureReceived)])
        await self.show(*events)
        await self.read()

    async def look(self, *arguments: str) -> tuple[int, Mapping[str, int], Any]:
        """Return the exit code, counts by kind, and all that was printed."""
        answer = await self.installation.ops(*(arguments or LOOK))
        found = answer.json()
        return answer.code, {each["kind"]: each["count"] for each in found["findings"]}, found


def identity_of(event: Any) -> UUID:
    return event.capture_id if isinstance(event, CaptureReceived) else event.punch_id


def ids_of(found: Any, kind: str) -> set[str]:
    return {
        example["id"] for each in found["findings"] if each["kind"] == kind for example in each["examples"]
    }


@pytest.fixture
async def world(installation, migrated, bucket, stack) -> AsyncIterator[World]:
    installation.environ.update(OPS_DATABASE_URL=migrated.query_url, OBJECT_STORE_BUCKET=bucket)
    settings = ObjectStoreSettings(
        endpoint=stack.object_store_endpoint,
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        bucket=bucket,
    )
    objects = ObjectStore(settings)
    database = await asyncpg.connect(migrated.url, server_settings={"search_path": "attendance"})
    yield World(installation, objects, bucket, database)
    await database.close()
    await objects.close()


async def test_a_healthy_installation_has_no_findings(world: World) -> None:
    others = [world.capture(org="globex", capture_id=uuid4()) for _ in range(3)]
    facts = [world.capture(device="gate-2") for _ in range(12)] + [world.punch() for _ in range(5)]
    await world.all_is_well(*facts, *others)
    code, counts, found = await world.look()
    assert (code, counts, found["facts"], found["on_their_way"]) == (0, {}, 20, 0)
    # A resend, and a replay, of what counts already is nothing to tell.
    await world.publish(facts[0], topic=CAPTURES_BACKLOG, headers=((ATTEMPT, b"1"),))
    await world.decide(facts[0])
    await world.read()
    assert (await world.look())[:2] == (0, {})


async def test_what_is_on_no_topic_is_published_again_once(world: World) -> None:
    well = [world.capture(), world.punch()]
    lost = [world.capture(), world.capture(), world.punch()]
    await world.all_is_well(*well)
    await world.store(*lost)
    code, counts, found = await world.look()
    assert (code, counts) == (1, {"missing-event": 3})
    assert ids_of(found, "missing-event") == {str(identity_of(each)) for each in lost}
    before = {
        topic.name: await world.installation.records(topic.name) for topic in (CAPTURES_BACKLOG, PUNCHES)
    }
    assert len(before[CAPTURES_BACKLOG.name]) == 0  # looking changes nothing

    answer = await world.installation.ops(*APPLY)
    done = answer.json()
    assert (answer.code, done["repair"]["published"], done["repair"]["is_read"]) == (1, 3, False)
    again = [
        record
        for topic in (CAPTURES_BACKLOG, PUNCHES)
        for record in (await world.installation.records(topic.name))[len(before[topic.name]) :]
        if JOB in dict(record.headers)
    ]
    events = {
        identity_of(event): event
        for event in [await world.installation.codec.decode(each.value) for each in again]
    }
    assert events == {identity_of(each): each for each in lost}
    for record in again:
        headers, event = dict(record.headers), await world.installation.codec.decode(record.value)
        assert headers[JOB] == done["repair"]["job"].encode()
        assert headers[ORIGIN] == f"accepted:acme:{identity_of(event)}".encode()
        assert headers[ATTEMPT] == b"1"
    # On its way now: the same command publishes nothing more.
    code, counts, found = await world.look(*APPLY)
    assert (code, counts, found["on_their_way"], "repair" in found) == (0, {}, 3, False)
    await world.decide(*lost[:2])
    await world.show(*lost)
    await world.read()
    code, counts, found = await world.look()
    assert (code, counts, found["on_their_way"]) == (0, {}, 0)
    (listed,) = (await world.installation.done("replay", "list", "--json")).json()
    assert (listed["state"], listed["published"], listed["by"]) == ("DONE", 3, "meera on ops-1")
    verified = await world.installation.ops("replay", "verify", listed["job"])
    assert (verified.code, "is a repair" in verified.err) == (2, True)


async def test_what_a_reader_passed_over_is_published_again(world: World) -> None:
    undecided, unshown, unapplied, punch = world.capture(), world.capture(), world.capture(), world.punch()
    facts = (undecided, unshown, unapplied, punch)
    await world.store(*facts)
    await world.publish(*facts)
    await world.decide(unshown, unapplied)
    await world.database.execute(
        "INSERT INTO awaited_fact (org_id, kind, fact_id, occurred_at, accepted_at)"
        " VALUES ('acme', 'CaptureReceived', $1, now(), now())",
        unapplied.capture_id,
    )
    code, counts, found = await world.look()  # nobody has read anything: nothing is wrong yet
    assert (code, counts, found["on_their_way"]) == (0, {}, 4)
    await world.read()
    code, counts, found = await world.look()
    assert (code, counts) == (1, {"undecided": 1, "not-shown": 3})
    assert ids_of(found, "undecided") == {str(undecided.capture_id)}
    done = (await world.installation.ops(*APPLY)).json()
    assert done["repair"]["published"] == 4
    await world.decide(undecided, unshown, unapplied)
    await world.show(*facts)
    await world.read()
    assert (await world.look())[:2] == (0, {})


async def test_what_is_gone_from_the_store_is_told_and_not_repaired(world: World) -> None:
    without_image, without_acceptance, both = world.capture(), world.capture(), world.capture()
    await world.all_is_well(without_image, without_acceptance)
    await world.objects.delete(world.bucket, without_image.image.key)
    await world.objects.delete(world.bucket, accepted_key("acme", without_acceptance.capture_id))
    # Its event and its image are lost, and the tables show it.
    await world.store(both, image=False)
    await world.show(both)
    # An upload that broke off, one image of nothing, and what somebody else put there.
    await world.store(unfinished := world.capture(), image=False)
    orphan = uuid4()
    await world.objects.put(world.bucket, f"captures/acme/2026/03/02/{orphan}", b"x", "image/jpeg")
    foreign = uuid4()
    await world.objects.put(world.bucket, accepted_key("acme", foreign), b"{}", "application/json")
    await world.objects.put(world.bucket, "accepted/readme", b"x", "text/plain")
    code, counts, found = await world.look(*APPLY)
    assert code == 1
    assert counts.pop("unreadable-object") == 2
    assert counts == {"image-gone": 2, "acceptance-gone": 1, "unfinished-upload": 1, "orphan-image": 1}
    assert "repair" not in found
    assert ids_of(found, "image-gone") == {str(without_image.capture_id), str(both.capture_id)}
    assert ids_of(found, "acceptance-gone") == {str(without_acceptance.capture_id)}
    assert ids_of(found, "unfinished-upload") == {str(unfinished.capture_id)}
    assert ids_of(found, "orphan-image") == {str(orphan)}


async def test_holes_and_numbers_used_twice_are_told(world: World) -> None:
    first = [world.capture(device="gate-7") for _ in range(10)]
    lost, kept = first[6], [*first[:3], *first[5:6], *first[7:]]
    twice = world.capture(device="gate-8")
    other = world.capture(device="gate-8", capture_id=uuid4())
    other = msgspec.structs.replace(other, device_sequence=twice.device_sequence)
    await world.all_is_well(*kept, twice, other)
    await world.store(lost)  # number 7 is explained: it is stored, and missing on the topic
    code, counts, found = await world.look()
    assert (code, counts) == (1, {"hole": 1, "number-reused": 1, "missing-event": 1})
    details = {
        each["kind"]: [example["detail"] for example in each["examples"]] for each in found["findings"]
    }
    assert details["hole"] == ["gate-7: 4-5"]
    assert details["number-reused"] == ["gate-8: number 1, 2 ids"]
    # What the tables know from before closes a hole, and opens one before the first number.
    report = "INSERT INTO device_report VALUES ('acme', $1, $2, $3, now())"
    await world.database.execute(report, "gate-7", 3, 5)
    code, counts, found = await world.look()
    details = {
        each["kind"]: [example["detail"] for example in each["examples"]] for each in found["findings"]
    }
    assert "hole" not in details
    world.numbers["gate-9"] = 7
    late = world.capture(device="gate-9")
    await world.all_is_well(late)
    assert "hole" not in (await world.look())[1]
    await world.database.execute(report, "gate-9", 1, 4)
    code, counts, found = await world.look()
    details = {
        each["kind"]: [example["detail"] for example in each["examples"]] for each in found["findings"]
    }
    assert details["hole"] == ["gate-9: 5-7"]


async def test_one_id_with_two_contents_is_told(world: World) -> None:
    capture = world.capture()
    await world.all_is_well(capture)
    await world.publish(msgspec.structs.replace(capture, site_id="elsewhere"))
    await world.decide(capture)
    await world.read()
    code, counts, _ = await world.look()
    assert (code, counts) == (1, {"other-content": 1})


async def test_an_addition_lies_under_two_ids(world: World) -> None:
    added = msgspec.structs.replace(GOLDEN["PunchAdded/out"], event_id=uuid4(), correction_id=uuid4())
    for identity in (added.correction_id, added.punch_id):
        key = accepted_key(added.org_id, identity)
        await world.objects.put(world.bucket, key, encode_accepted(added), "application/json")
    code, counts, found = await world.look()
    assert (code, counts) == (1, {"missing-event": 1})
    assert ids_of(found, "missing-event") == {str(added.correction_id)}
    done = (await world.installation.ops(*APPLY)).json()
    assert done["repair"]["published"] == 1
    assert [each.topic for each in await world.installation.records(CORRECTIONS.name)] == [
        world.installation.kafka.topic(CORRECTIONS.name)
    ]


async def test_what_is_young_is_not_judged(world: World) -> None:
    facts = [world.capture(), world.capture(), world.punch()]
    await world.store(*facts[:2])
    await world.publish(facts[1], facts[2])
    await world.read()
    code, counts, _ = await world.look(*LOOK[:3], "--grace", "10m", "--json")
    assert (code, counts) == (0, {})
    code, counts, _ = await world.look()
    assert (code, set(counts)) == (1, {"missing-event", "undecided", "not-shown", "acceptance-gone"})


async def test_what_goes_round_is_left(world: World) -> None:
    await world.store(punch := world.punch())
    await world.publish(punch, headers=((ATTEMPT, b"3"), (JOB, b"x")))
    await world.read()
    done = (await world.installation.ops(*APPLY)).json()
    assert (done["repair"]["published"], done["repair"]["gone_round"]) == (0, 1)
    assert len(await world.installation.records(PUNCHES.name)) == 1


async def test_nothing_is_published_into_a_log_that_is_shorter_than_its_reader_believes(world: World) -> None:
    await world.store(world.punch())
    await world.read(["attendance-projector"], beyond=5)
    answer = await world.installation.ops(*APPLY)
    assert (answer.code, "docs/operations/reconcile.md" in answer.err) == (2, True), answer.err
    assert not await world.installation.records(PUNCHES.name)


async def test_a_killed_repair_is_run_again_until_nothing_is_missing(world: World) -> None:
    count, chance = 400, random.Random(11)
    lost = [world.punch() for _ in range(count)]
    await asyncio.gather(*(world.store(each) for each in lost))
    for _ in range(KILLS):
        seen = len(await world.installation.records(PUNCHES.name))
        process = await world.installation.start(*APPLY, "--rate", 100)

        async def has_published(seen: int = seen) -> bool:
            return len(await world.installation.records(PUNCHES.name)) > seen

        await eventually(has_published)
        await asyncio.sleep(chance.random() / 4)  # anywhere in a batch
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    await world.installation.ops(*APPLY, "--rate", 100_000)
    records = await world.installation.records(PUNCHES.name)
    events = [await world.installation.codec.decode(each.value) for each in records]
    assert {each.punch_id for each in events} == {each.punch_id for each in lost}
    # What was on its way to the broker at the kill may arrive after the next look.
    assert count <= len(records) <= count + KILLS * BATCH
    assert (await world.look(*APPLY))[1] == {}
    assert len(await world.installation.records(PUNCHES.name)) == len(records)


async def test_a_repair_that_was_killed_long_ago_is_said_to_have_ended(world: World) -> None:
    begun = msgspec.structs.replace(
        GOLDEN["ReplayRecorded/begun"], job_id=uuid4(), state=ReplayState.RUNNING, plan=None, detail=DETAIL
    )
    now = msgspec.structs.replace(begun, job_id=uuid4(), recorded_at=datetime.now(UTC))
    await world.installation.publish(OPERATIONS, [begun, now])
    await world.store(world.punch())
    await world.installation.ops(*APPLY)
    listed = (await world.installation.done("replay", "list", "--json")).json()
    assert [each["state"] for each in listed] == ["FAILED", "RUNNING", "DONE"]
    assert listed[0]["job"] == str(begun.job_id)


async def test_somebody_may_cancel_a_repair(world: World) -> None:
    lost = [world.punch() for _ in range(60)]
    await asyncio.gather(*(world.store(each) for each in lost))
    process = await world.installation.start(*APPLY, "--rate", 2)
    jobs: list[str] = []

    async def has_begun() -> bool:
        listed = (await world.installation.done("replay", "list", "--json")).json()
        jobs[:] = [each["job"] for each in listed]
        return bool(jobs)

    try:
        await eventually(has_begun)
        await world.installation.done("replay", "cancel", jobs[0])
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    done = json.loads(out)["repair"]
    assert (process.returncode, done["stopped_by"]) == (1, "meera on ops-1"), err
    assert len(await world.installation.records(PUNCHES.name)) == done["published"] < len(lost)


async def test_nothing_of_people_is_printed(world: World) -> None:
    await world.store(punch := world.punch(credential="SECRET-BADGE", person_id="SECRET-PERSON"))
    await world.store(capture := world.capture(claimed_badge="SECRET-BADGE"))
    answer = await world.installation.ops(*(word for word in LOOK if word != "--json"))
    assert answer.code == 1
    assert str(punch.punch_id) in answer.out
    assert str(capture.capture_id) in answer.out
    assert "SECRET" not in answer.out + answer.err


async def test_it_asks_first_and_says_what_it_needs(world: World) -> None:
    await world.store(world.punch())
    refused = await world.installation.ops(*LOOK, "--apply")
    assert (refused.code, "say --yes" in refused.err) == (2, True)
    assert not await world.installation.records(PUNCHES.name)
    wrong = await world.installation.ops("reconcile", "--from", "1h", "--to", "2h")
    assert (wrong.code, "is not before --to" in wrong.err) == (2, True)
    del world.installation.environ["OPS_DATABASE_URL"]
    without = await world.installation.ops(*LOOK)
    assert (without.code, "OPS_DATABASE_URL is not set" in without.err) == (2, True)

"""The archive by the command alone: byte for byte, exactly once under kills, loud about what is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import DIRECTORY, MATCHES, PERSON_KEYS, PUNCHES
from attendance_testing.archives import archive_of
from attendance_testing.lost_records import delete_before, made_again
from attendance_testing.polling import eventually
from local_stack.environment import StackEnv
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.records import OutgoingRecord, Record

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}
KILLS = int(os.environ.get("ARCHIVE_KILLS", "5"))


@pytest.fixture
async def archive(stack: StackEnv, bucket: str) -> AsyncIterator[Archive]:
    async with archive_of(stack, bucket) as found:
        yield found


def shapes(records: list[Record]) -> list:
    return sorted(
        (each.partition, each.offset, each.key or b"", each.value or b"", each.headers, each.timestamp)
        for each in records
    )


async def archived_records(archive: Archive, topic: str) -> list[Record]:
    """Return every record of the archive of a topic (full name), as its files have them."""
    found = []
    for listed in await archive.listed(topic):
        series = Series(
            topic=listed.topic,
            topic_id=listed.topic_id,
            cluster_id="",
            partition=listed.partition,
            snapshot_end=listed.snapshot_end,
        )
        for first in listed.data:
            found += await archive.records(await archive.manifest(series, first))
    return found


async def delete_all(archived, topic: str) -> int:
    """Delete what a topic holds, as retention does; return how many offsets there were."""
    full = archived.kafka.topic(topic)
    bounds = await bounds_of(archived.kafka, await partitions_of(archived.kafka, full))
    for each, (_, end) in bounds.items():
        if end:
            await delete_before(archived.kafka.bootstrap_servers, full, each.partition, end)
    assert not await archived.records(topic)
    return sum(end for _, end in bounds.values())


async def seen(archived, *arguments: object) -> list[dict]:
    answer = await archived.done("inspect", "matches", "--limit", 99, "--json", *arguments)
    return answer.json()


def by_place(found: list[dict]) -> list[dict]:
    return sorted(found, key=lambda each: (each["partition"], each["offset"]))


async def verified(archived, *arguments: object, code: int = 0) -> dict:
    answer = await archived.ops("archive", "verify", "--json", *arguments)
    assert answer.code == code, (answer.out, answer.err)
    return answer.json()


@asynccontextmanager
async def runner_of(archived, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a runner, and leave none behind."""
    process = await archived.start("archive", "run", "--within", 1, *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def stop(process: asyncio.subprocess.Process) -> str:
    """Ask a runner to stop; return its log."""
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return err.decode()


async def test_records_come_back_byte_for_byte(archived, archive: Archive) -> None:
    await archived.publish_matches(25, (("correlation-id", b"\xff\x00"), ("n", b"")))
    punch = archived.encoded(GOLDEN["PunchSubmitted/badge"], PUNCHES)
    await archived.bury(punch, "fails-alone")
    dead = f"{PUNCHES.name}.dlq"
    await archived.producer.send(
        OutgoingRecord(archived.kafka.topic(dead), None, b"\x00no event", (("x", b"\xfe"),))
    )
    first = (await archived.done("archive", "once", "--records", 4, "--json")).json()
    assert (first["records"], first["lost"], first["problems"]) == (27, 0, [])
    assert first["files"] >= 25 // 4
    for topic in (MATCHES.name, dead):
        there = await archived.records(topic)
        assert shapes(await archived_records(archive, archived.kafka.topic(topic))) == shapes(there)
    again = (await archived.done("archive", "once", "--json")).json()
    assert (again["records"], again["files"]) == (0, 0)
    assert [(await verified(archived))[each] for each in ("records", "missing", "duplicate")] == [27, 0, 0]
    listed = (await archived.done("archive", "list", "matches", "--json")).json()
    assert (sum(each["next_offset"] for each in listed), {each["behind"] for each in listed}) == (25, {0})
    assert "attendance.matches" in (await archived.done("archive", "list")).out


async def test_a_quiet_topic_is_archived_though_nothing_more_comes(archived, archive: Archive) -> None:
    topic = archived.kafka.topic(MATCHES.name)
    async with runner_of(archived) as runner:
        for count in (1, 2):
            await archived.publish_matches(1)

            async def is_archived(count: int = count) -> bool:
                return len(await archived_records(archive, topic)) == count

            await eventually(is_archived)
        log = await stop(runner)
    assert log.count('"event": "archived"') == 2


async def test_two_runners_at_once_archive_everything_once(archived, archive: Archive) -> None:
    count, topic = 3000, archived.kafka.topic(MATCHES.name)

    async def all_is_archived() -> bool:
        listed = await archived.done("archive", "list", "matches", "--json")
        return not sum(each["behind"] for each in listed.json())

    run = ("--records", 40)
    async with runner_of(archived, *run) as one, runner_of(archived, *run) as other:
        for _ in range(10):
            await archived.publish_matches(count // 10)
        await eventually(all_is_archived)
        logs = [await stop(each) for each in (one, other)]
    found = await verified(archived)
    assert (found["records"], found["missing"], found["duplicate"]) == (count, 0, 0)
    assert shapes(await archived_records(archive, topic)) == shapes(await archived.records(MATCHES.name))
    # Either one alone would leave nothing to show.
    assert all('"event": "archived"' in each for each in logs)


@pytest.mark.timeout(3600)
async def test_a_killed_runner_loses_and_doubles_nothing(archived, archive: Archive) -> None:
    chance, topic = random.Random(KILLS), archived.kafka.topic(MATCHES.name)
    is_over = asyncio.Event()

    async def go_on() -> int:
        sent = 0
        while not is_over.is_set():
            sent += len(await archived.publish_matches(100))
            await asyncio.sleep(0.05)
        return sent

    sending = asyncio.create_task(go_on())
    for number in range(KILLS):
        run = ("--records", chance.choice([20, 70, 300]))
        async with runner_of(archived, *run) as process:  # killed where this ends
            assert process.stderr is not None
            if number % 5:  # of the others, some before it wrote anything
                while b'"event": "archived"' not in (line := await process.stderr.readline()):
                    assert line, "it ended by itself"
            await asyncio.sleep(chance.random() * (0.5 if number % 5 else 3))
            assert process.returncode is None
    is_over.set()
    sent = await sending
    await archived.done("archive", "once")
    found = await verified(archived)
    there, kept = await archived.records(MATCHES.name), await archived_records(archive, topic)
    assert len(there) == sent
    places = {(each.partition, each.offset) for each in there}
    missing = len(places - {(each.partition, each.offset) for each in kept}) + found["missing"]
    duplicate = len(kept) - len({(each.partition, each.offset) for each in kept}) + found["duplicate"]
    line = f"kills={KILLS} records={len(kept)} missing={missing} duplicate={duplicate}"
    assert (missing, duplicate, found["lost"]) == (0, 0, 0), line
    assert shapes(kept) == shapes(there)
    if report := os.environ.get("ARCHIVE_REPORT"):
        await asyncio.to_thread(Path(report).write_text, f"archive ok: {line}\n", encoding="utf-8")


async def test_compacted_topics_have_snapshots_and_keys_of_people_have_none(
    archived, archive: Archive
) -> None:
    site, person = GOLDEN["SiteRecorded/pune"], GOLDEN["PersonRecorded/full"]
    await archived.publish(DIRECTORY, [site, person, site])
    await archived.publish(PERSON_KEYS, [GOLDEN["PersonKeyIssued/first"]])
    key = DIRECTORY.key_of(person)
    await archived.producer.send(OutgoingRecord(archived.kafka.topic(DIRECTORY.name), key, None))
    topic = archived.kafka.topic(DIRECTORY.name)
    await archived.done("archive", "once", "--records", 3)
    assert shapes(await archived_records(archive, topic)) == shapes(await archived.records(DIRECTORY.name))
    assert await archive.listed(archived.kafka.topic(PERSON_KEYS.name)) == []
    (listed,) = await archive.listed(topic)
    assert (listed.snapshot_end, listed.data) == (4, [0, 3])
    # Of one that was not ended, the next one writes what is missing.
    snapshot = Series(
        topic=topic, topic_id=listed.topic_id, cluster_id="", partition=0, snapshot_end=listed.snapshot_end
    )
    await archive.remove(snapshot, 3)
    assert not (await verified(archived))["series"][0]["is_complete"]
    await archived.done("archive", "once", "--records", 3)
    assert (await archive.listed(topic))[0].data == [0, 3]
    again = (await archived.done("archive", "once", "--json")).json()
    assert again["files"] == 0
    await archived.publish(DIRECTORY, [site])
    await archived.done("archive", "once")
    assert [each.snapshot_end for each in await archive.listed(topic)] == [4, 5]
    assert (await verified(archived))["is_whole"]
    assert "removed 0 files" in (await archived.done("archive", "prune", "--yes")).out
    assert "removed 2 files" in (await archived.done("archive", "prune", "--keep-days", 0, "--yes")).out
    assert [each.snapshot_end for each in await archive.listed(topic)] == [5]


async def test_a_topic_that_was_made_again_has_an_archive_of_its_own(
    archived, stack: StackEnv, topic_prefix: str
) -> None:
    await archived.publish_matches(6)
    await archived.done("archive", "once")
    topic = archived.kafka.topic(MATCHES.name)
    before, after = await made_again(topic, topic_prefix, stack, partitions=3)
    await archived.publish_matches(4)
    again = (await archived.done("archive", "once", "--json")).json()
    assert (again["records"], again["problems"]) == (4, [])
    found = await verified(archived, "matches")
    records = {str(before): 0, str(after): 0}
    for each in found["series"]:
        records[each["topic_id"]] += each["records"]
    assert records == {str(before): 6, str(after): 4}
    assert found["is_whole"]
    await delete_all(archived, MATCHES.name)
    assert len(await seen(archived)) == 4


async def test_what_is_lost_is_said_until_somebody_knows_it(archived, tmp_path: Path) -> None:
    await archived.publish_matches(9)
    await archived.done("archive", "once")
    await archived.publish_matches(12)
    end = await delete_all(archived, MATCHES.name)
    lost = end - 9
    # Not recorded yet: nobody reads over it without a word.
    unread = await archived.ops("inspect", "matches")
    assert (unread.code, "archive it now, so that what is lost is recorded" in unread.err) == (1, True)
    answer = await archived.ops("archive", "once")
    assert (answer.code, f"{lost} records had expired before they were archived" in answer.err) == (1, True)
    assert (await verified(archived, code=1))["lost"] == lost
    assert (await verified(archived, "--accept-lost"))["is_whole"]
    assert (await archived.done("archive", "once", "--json")).json()["lost"] == 0
    assert len(await seen(archived)) == 9
    planned = await archived.done("replay", "plan", "matches", "--out", tmp_path / "p.json", "--json")
    assert planned.json()["count"] == 9
    assert sum("expired before it was archived" in each for each in planned.json()["warnings"]) >= 1


def without_archive(archived):
    environ = {name: each for name, each in archived.environ.items() if name != "ARCHIVE_BUCKET"}
    return replace(archived, environ=environ)


async def test_a_replay_reaches_past_retention(archived, tmp_path: Path) -> None:
    await archived.publish_matches(20)
    earlier = max(each["at"] for each in await seen(archived))
    await archived.publish_matches(10)
    before = await seen(archived)
    middle = min(each["at"] for each in before if each["at"] > earlier)
    of_time = [each for each in before if each["at"] >= middle]
    await archived.done("archive", "once", "--records", 4)
    await delete_all(archived, MATCHES.name)
    assert by_place(await seen(archived)) == by_place(before)
    assert by_place(await seen(archived, "--from", middle)) == by_place(of_time)
    assert len(of_time) < len(before)
    assert (await without_archive(archived).ops("inspect", "matches")).code == 1
    file = tmp_path / "plan.json"
    plan = (
        await archived.done("replay", "plan", "matches", "--from", middle, "--out", file, "--json")
    ).json()
    assert (plan["count"], plan["warnings"]) == (len(of_time), [])
    await archived.done("replay", "run", file, "--yes")
    balance = (await archived.done("replay", "verify", plan["plan_id"], "--json")).json()
    assert (balance["published"], balance["balances"]) == (len(of_time), True)
    ids = {each["fields"]["capture_id"] for each in of_time}
    found = (
        await archived.done("inspect", "matches", "--header", f"replay-job={plan['plan_id']}", "--json")
    ).json()
    assert {each["fields"]["capture_id"] for each in found} == ids


async def test_what_is_missing_is_named(archived, archive: Archive, stack: StackEnv, bucket: str) -> None:
    await archived.publish_matches(30)
    await archived.done("archive", "once", "--records", 3)
    listed = next(each for each in await archive.listed(archived.kafka.topic(MATCHES.name)) if each.data)
    series = Series(topic=listed.topic, topic_id=listed.topic_id, cluster_id="", partition=listed.partition)
    await archive.remove(series, 3)
    found = await verified(archived, code=1)
    assert (found["missing"], found["duplicate"], found["is_whole"]) == (3, 0, False)
    said = await archived.ops("archive", "verify", "matches")
    assert series.data_name(3) in said.out
    assert "not whole: " in said.out


async def test_wrong_settings_are_said(installation) -> None:
    for more, code, told in (
        ({}, 2, "set ARCHIVE_BUCKET"),
        ({"ARCHIVE_BUCKT": "x"}, 2, "ARCHIVE_BUCKT is not a setting, did you mean ARCHIVE_BUCKET?"),
        ({"ARCHIVE_BUCKET": "x", "OBJECT_STORE_ENDPOINT": ""}, 2, "OBJECT_STORE_ENDPOINT"),
        ({"ARCHIVE_BUCKET": "there-is-none"}, 1, "no bucket there-is-none: create it"),
    ):
        answer = await replace(installation, environ=installation.environ | more).ops("archive", "once")
        assert (answer.code, told in answer.err) == (code, True), answer.err

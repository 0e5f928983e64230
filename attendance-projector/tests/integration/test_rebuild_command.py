"""The command `rebuild` on real servers, beside a live projector, killed and rolled back."""

import asyncio
import json
import signal
from datetime import UTC, date, datetime

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from attendance_schemas.topics import CORRECTIONS, ENROLMENT_RESULTS, MATCHES, PUNCHES
from attendance_testing.archives import archive_all, archive_of
from attendance_testing.lost_records import delete_before
from attendance_testing.polling import eventually
from attendance_testing.projector.history import FIRST_ON
from attendance_testing.projector.rebuilds import Deployment
from local_stack.environment import StackEnv
from service_kit.archive.draft import Limits
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration


async def delete_matches(deployment: Deployment, stack: StackEnv) -> TopicPartition:
    """Delete the first 60 matches of a partition, as the retention of the topic does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    gone = TopicPartition(f"{deployment.prefix}attendance.matches", 1)
    await admin.delete_records({gone: RecordsToDelete(before_offset=60)})
    await admin.close()
    return gone


async def test_a_killed_rebuild_goes_on(deployment: Deployment) -> None:
    live = await deployment.tables()
    fates = ("awaited_fact", "dead_letter", "erasure", "erased_person")
    assert [len(live[each]) for each in fates] == [1, 1, 1, 1]
    for step in ("load", "compute", "index"):
        process = await deployment.start(
            "rebuild", "--json", "--workers", "2", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async for line in process.stdout:
            if (
                line.startswith(b"{")
                and json.loads(line).get("step") == step
                and json.loads(line)["done"] > 0
            ):
                break
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert await deployment.tables() == live
    code, lines, errors = await deployment.rebuild()
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    assert lines[0] == {"note": "going on with the rebuild in attendance_next"}
    assert lines[-1]["records"] == 0  # all of them were loaded by those that were killed
    assert await deployment.tables() == live


REBUILDS = (
    "FROM pg_stat_activity WHERE application_name = 'attendance-projector rebuild'"
    " AND datname = current_database()"
)


async def test_a_rebuild_whose_server_goes_away_says_what_to_do(deployment: Deployment) -> None:
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await deployment.start("rebuild", "--json", "--workers", "2", **pipes)
    assert process.stdout is not None
    async for line in process.stdout:
        if b'"step": "load"' in line:
            break
    assert await deployment.plant.as_administrator(f"SELECT pg_terminate_backend(pid) {REBUILDS}")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().endswith("see that postgresql answers, then run the same command again\n")
    assert b"Traceback" not in errors
    code, lines, said = await deployment.rebuild()
    assert (code, lines[-1]["is_switched"]) == (0, True), said


async def killed_in_its_copy(deployment: Deployment, *arguments: str) -> None:
    """Kill a rebuild that has made its tables and waits to copy what is kept into them."""
    waits = f"SELECT wait_event_type = 'Lock' {REBUILDS}"
    async with deployment.sql.transaction():
        await deployment.sql.execute("LOCK TABLE enrolment IN ACCESS EXCLUSIVE MODE")
        process = await deployment.start("rebuild", "--workers", "2", *arguments)
        await eventually(lambda: deployment.plant.as_administrator(waits))
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def is_gone() -> bool:
        return not await deployment.plant.as_administrator(f"SELECT count(*) {REBUILDS}")

    await eventually(is_gone)


async def test_a_rebuild_that_was_killed_in_its_copy_copies_again(
    deployment: Deployment, stack: StackEnv
) -> None:
    live = await deployment.tables()
    await delete_matches(deployment, stack)
    await killed_in_its_copy(deployment, "--from", "2026-05")
    code, lines, errors = await deployment.rebuild("--from", "2026-05", "--compare-only")
    assert (code, lines[-1]["differences"]) == (0, []), errors
    # What it has is of before May; nobody takes it for anything else.
    for other in ((), ("--from", "2026-04")):
        code, _, errors = await deployment.rebuild(*other)
        assert code == 1
        assert "was begun with --from 2026-05" in errors
    code, lines, errors = await deployment.rebuild("--from", "2026-05")
    assert (code, lines[-1]["is_switched"]) == (0, True), errors
    assert await deployment.tables() == live


async def test_a_rollback_and_the_live_service_goes_on(deployment: Deployment) -> None:
    assert (await deployment.rebuild())[0] == 0
    before = len(await deployment.plant.places("p-3"))
    await deployment.publish(deployment.plant.match("p-3", "2026-05-04T02:30:00+00:00"))
    await deployment.live_is_even()
    code, _, errors = await deployment.rebuild("--rollback")
    assert code == 0, errors
    # The tables of before the switch have not seen it; the live service asks for their positions again.
    await deployment.live_is_even()
    assert len(await deployment.plant.places("p-3")) == before + 1
    assert await deployment.tables() == await deployment.tables("attendance_previous")


async def test_differences_are_explained_and_nothing_is_switched(deployment: Deployment) -> None:
    await deployment.sql.execute("UPDATE attendance_day SET status = 'ABSENT' WHERE person_id = 'p-3'")
    await deployment.sql.execute("DELETE FROM roster WHERE person_id = 'p-7'")
    before = await deployment.tables()
    code, lines, errors = await deployment.rebuild()
    assert code == 1
    assert "nothing was switched" in errors
    differing = {(each["table"], each["month"]): each["examples"][0] for each in lines[-1]["differences"]}
    assert set(differing) == {("attendance_day", "2026-03"), ("attendance_day", "2026-04"), ("roster", "all")}
    assert "status 'ABSENT' became" in differing["attendance_day", "2026-03"]
    assert "the log holds a fact that the live tables miss" in differing["roster", "all"]
    assert await deployment.tables() == before
    code, lines, errors = await deployment.rebuild("--accept-differences")
    assert (code, lines[-1]["is_switched"]) == (0, True), errors
    assert await deployment.tables("attendance_previous") == before
    # Followers of the change feed were told of every one of them.
    days = await deployment.sql.fetchval(
        "SELECT count(*) FROM attendance_day AS day JOIN attendance_previous.attendance_day AS old"
        " USING (org_id, person_id, attendance_on, shift_id) WHERE day.status <> old.status"
    )
    assert days > 0
    assert any(f"{days} days that differ were told" in line.get("note", "") for line in lines), lines


async def test_what_expired_is_named_and_can_be_kept(deployment: Deployment, stack: StackEnv) -> None:
    await deployment.lock_periods()
    live = await deployment.tables()
    gone = await delete_matches(deployment, stack)
    code, lines, _ = await deployment.rebuild()
    assert code == 1
    assert lines[-1]["expired"] == {f"{gone.topic}[1]": 60}
    assert any("the 60 records before it have expired" in line.get("note", "") for line in lines)
    example = next(each for each in lines[-1]["differences"] if each["table"] == "capture")["examples"][0]
    assert "only live; the log does not hold the facts behind it any more" in example
    assert (await deployment.rebuild("--discard"))[0] == 0
    code, lines, errors = await deployment.rebuild("--from", "2026-05")
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    assert await deployment.tables() == live
    previous = "SELECT to_regnamespace('attendance_previous') IS NOT NULL"
    assert await deployment.sql.fetchval(previous)
    assert (await deployment.rebuild("--drop-previous"))[0] == 0
    assert not await deployment.sql.fetchval(previous)
    assert await deployment.tables() == live


async def test_what_expired_is_rebuilt_from_the_archive(
    deployment: Deployment, stack: StackEnv, bucket: str
) -> None:
    live = await deployment.tables()
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=deployment.prefix)
    async with archive_of(stack, bucket) as archive:
        names = [kafka.topic(topic.name) for topic in (MATCHES, PUNCHES, CORRECTIONS, ENROLMENT_RESULTS)]
        archived = await archive_all(kafka, archive, names, Limits(records=50))
    assert sum(archived.values()) > 600
    for each, end in archived.items():
        if end:
            await delete_before(stack.kafka_bootstrap_servers, each.topic, each.partition, end)
    # Without the archive they are gone.
    code, lines, _ = await deployment.rebuild()
    expired = {f"{each.topic}[{each.partition}]": end for each, end in archived.items() if end}
    assert (code, lines[-1]["expired"]) == (1, expired)
    assert (await deployment.rebuild("--discard"))[0] == 0
    archives = {"ARCHIVE_BUCKET": bucket}
    process = await deployment.start("rebuild", "--json", stdout=asyncio.subprocess.PIPE, more=archives)
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"{") and json.loads(line).get("step") == "load" and json.loads(line)["done"] > 0:
            break
    process.send_signal(signal.SIGKILL)
    await process.wait()
    code, lines, errors = await deployment.rebuild(more=archives)
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    assert lines[-1]["expired"] == {}
    assert await deployment.tables() == live
    # The live service, which reads Kafka alone, goes on from the positions of the rebuild.
    await deployment.publish(deployment.plant.match("p-3", "2026-05-04T02:30:00+00:00"))
    await deployment.live_is_even()


async def test_a_rebuild_agrees_with_tables_that_have_lost_months(deployment: Deployment) -> None:
    """March has no captures any more and is closed and final until the 21st; the log still has all of it."""
    first_lock = await deployment.lock_periods()
    last_lock = await deployment.close(date(2026, 3, 31), date(2026, 5, 31))
    today = datetime.now(UTC).date()
    until_march = 12 * (today.year - 2026) + today.month - 3
    said = await deployment.retention(
        capture_months=until_march - 1, punch_months=until_march, day_months=until_march
    )
    assert said["facts_from"] == "2026-04-01"
    assert {(each["table"], each["month"]) for each in said["months"]} >= {("capture", "2026-03")}
    # Of final days, too, something is owed; the first lock is for ever, since it keeps such days.
    due = (
        "SELECT count(*) FROM attendance.adjustment WHERE attendance_on < '2026-03-22' AND settled_by IS NULL"
    )
    assert await deployment.sql.fetchval(due) == 0
    await deployment.publish(deployment.plant.reopening(last_lock), CORRECTIONS)
    await deployment.publish(deployment.plant.reopening(first_lock), CORRECTIONS)
    await deployment.live_is_even()
    assert await deployment.sql.fetchval(due) > 0
    before = await deployment.tables()
    code, lines, errors = await deployment.rebuild()
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), (lines, errors)
    assert await deployment.tables() == before
    assert await deployment.sql.fetchval("SELECT to_regclass('attendance.capture_2026_03')") is None
    days = "SELECT count(*) FROM attendance.attendance_day WHERE attendance_on BETWEEN $1 AND $2"
    for first, last in ((FIRST_ON, date(2026, 3, 21)), (date(2026, 3, 22), date(2026, 3, 31))):
        assert await deployment.sql.fetchval(days, first, last)  # final ones, and those computed again

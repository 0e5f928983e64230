"""The command `rebuild` on real servers, beside a live projector and readers, killed and rolled back."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import CollectorRegistry

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import DayStatus, Direction, Outcome
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CORRECTIONS, DIRECTORY, MATCHES, PUNCHES
from local_stack.databases import Database
from local_stack.environment import StackEnv
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.metrics import QueryApiMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

DEADLINE = 120.0
PEOPLE, DAYS = 20, 15
FIRST_ON = date(2026, 3, 20)
TABLES = (
    "organisation",
    "site",
    "person",
    "shift",
    "roster",
    "capture",
    "punch",
    "attendance_day",
    "enrolment",
    "holiday",
    "leave",
    "policy",
    "clock",
    "pending_fact",
    "correction",
    "review",
    "period_lock",
    "locked_person",
    "locked_day",
    "locked_adjustment",
    "adjustment",
)
# How far devices have reported goes by the order in which topics are read.
REPORTING = ("device_point", "device_report", "site_watermark")
SCHEMAS_OF_ONE_STATEMENT = """
SELECT count(*) AS days, count(DISTINCT relnamespace) AS schemas
FROM (
    SELECT unnest(ARRAY[day.tableoid, person.tableoid, site.tableoid, punch.tableoid]) AS oid
    FROM attendance.attendance_day AS day
    JOIN attendance.person AS person USING (person_id)
    JOIN attendance.site AS site ON site.site_id = person.home_site_id
    JOIN attendance.punch AS punch ON punch.person_id = day.person_id AND punch.placed_on = day.attendance_on
    WHERE day.attendance_on < '2026-04-05'
) AS used
JOIN pg_class USING (oid)
"""


async def eventually(question: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while True:
            if answer := await question():
                return answer
            await asyncio.sleep(0.05)


class Deployment:
    """Topics with a history, a database, a live projector, and the command under test."""

    def __init__(
        self, plant: Any, environ: dict[str, str], prefix: str, codec: Codec, producer: RecordProducer
    ) -> None:
        self.plant = plant
        self.sql: asyncpg.Connection = plant.sql
        self.prefix = prefix
        self.sent = 0
        self._environ = environ
        self._codec = codec
        self._producer = producer
        self._processes: list[asyncio.subprocess.Process] = []

    async def publish(self, event: Any, topic: Any = MATCHES) -> None:
        value = self._codec.encode(event, topic)
        await self._producer.send(OutgoingRecord(self.prefix + topic.name, topic.key_of(event), value))
        self.sent += 1

    async def history(self) -> None:
        plant, chance = self.plant, random.Random(5)
        await asyncio.gather(
            *(
                self.publish(event, DIRECTORY)
                for event in (
                    plant.site(),
                    plant.shift("day", 8, 17),
                    plant.shift("night", 22, 6),
                    *(
                        plant.person(f"p-{number}", "night" if number % 4 == 0 else "day")
                        for number in range(PEOPLE)
                    ),
                    plant.policy(FIRST_ON, expects_attendance=True),
                    plant.policy(date(2026, 4, 10)),
                    plant.holiday(date(2026, 3, 26)),
                    plant.leave("p-5", date(2026, 4, 6), date(2026, 4, 8)),
                    *(
                        plant.roster(f"p-{number}", "night", date(2026, 3, 25), date(2026, 4, 1))
                        for number in range(0, PEOPLE, 7)
                    ),
                )
            )
        )
        events = []
        for day in range(DAYS):
            for number in range(PEOPLE + 1):  # the last one is never recorded
                for hour in (2, 11):
                    at = datetime.combine(FIRST_ON + timedelta(days=day), datetime.min.time(), UTC)
                    at += timedelta(hours=hour, seconds=chance.randrange(7200))
                    events.append(
                        plant.match(
                            f"p-{number}", at.isoformat(), direction=chance.choice([None, *Direction])
                        )
                    )
        for event in chance.sample(events, 40):  # reviewed later: another person, or nobody
            person = chance.choice([None, "p-1", "p-2"])
            events.append(
                plant.match(
                    person,
                    event.occurred_at.isoformat(),
                    event.capture_id,
                    Outcome.IDENTIFIED if person else Outcome.UNKNOWN,
                    decision_round=1,
                )
            )
        for first in range(0, len(events), 200):
            await asyncio.gather(*map(self.publish, events[first : first + 200]))
        await self._punches_and_corrections(events)

    async def _punches_and_corrections(self, captures: list[Any]) -> None:
        """Tell of a badge that two people have one after the other, and correct some of what there is."""
        plant = self.plant
        shown = [
            plant.punch("b-1", f"2026-04-0{day}T{hour:02}:10:00+00:00") for day in (6, 7) for hour in (2, 11)
        ]
        for punch in shown:
            await self.publish(punch, PUNCHES)
        for holder, badge in (("p-2", "b-1"), ("p-2", None), ("p-3", "b-1")):
            await self.publish(plant.person(holder, "day", badge=badge), DIRECTORY)
        added = plant.addition("p-6", "2026-04-07T11:45:00+00:00", site_id="site")
        of_p_1 = next(each for each in captures if each.person_id == "p-1")
        corrections = (
            added,
            plant.addition("p-6", "2026-04-08T02:30:00+00:00", site_id="site"),
            plant.void("p-6", added),
            plant.void("p-1", of_p_1),
            plant.override("p-9", date(2026, 4, 20), DayStatus.PRESENT, shift_id="day", worked_minutes=480),
            plant.review(captures[3].capture_id, "p-10"),
            plant.review(captures[5].capture_id, None),
        )
        for correction in corrections:
            await self.publish(correction, CORRECTIONS)

    async def close(self, starts_on: date, ends_on: date) -> Any:
        """Lock a period and wait until it is in force."""
        lock = self.plant.lock(starts_on, ends_on)
        await self.publish(lock, CORRECTIONS)

        async def is_locked() -> Any:
            in_force = "SELECT in_force FROM attendance.period_lock WHERE lock_id = $1"
            return await self.sql.fetchval(in_force, lock.lock_id)

        await eventually(is_locked)
        return lock

    async def lock_periods(self) -> Any:
        """Close parts of March, with what comes late, what is settled, and a lock that is reopened.

        Returns the first lock.
        """
        plant, locks = self.plant, []
        for first_day, last_day, late in ((20, 25, "2026-03-24"), (26, 30, "2026-03-23"), (31, 31, None)):
            locks.append(await self.close(date(2026, 3, first_day), date(2026, 3, last_day)))
            for number in range(PEOPLE) if late else ():
                await self.publish(plant.match(f"p-{number}", f"{late}T10:30:00+00:00"))
                await self.publish(plant.match(f"p-{number}", f"2026-03-2{number % 3}T13:00:00+00:00"))
            await self.live_is_even()
        await self.publish(plant.reopening(locks[-1]), CORRECTIONS)
        await self.publish(plant.override("p-9", date(2026, 3, 21), DayStatus.LEAVE), CORRECTIONS)
        await self.live_is_even()
        return locks[0]

    async def consumed(self, schema: str = "attendance") -> int:
        return int(
            await self.sql.fetchval(
                f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.consumed_position"  # noqa: S608
                # The live service ticks by itself, and records what it locks.
                " WHERE starts_with(topic, $1) AND topic NOT SIMILAR TO '%(clock|locked-days)'",
                self.prefix,
            )
        )

    async def live_is_even(self) -> None:
        async def is_even() -> bool:
            has_ticked = await self.sql.fetchval("SELECT count(*) FROM attendance.clock")
            return await self.consumed() == self.sent and bool(has_ticked)

        await eventually(is_even)

    async def start(self, *arguments: str, **options: Any) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "attendance_projector", *arguments, env=self._environ, **options
        )
        self._processes.append(process)
        return process

    async def rebuild(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        process = await self.start("rebuild", "--json", "--workers", "2", *arguments, **pipes)
        out, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
        lines = [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]
        return process.returncode or 0, lines, errors.decode()

    async def retention(self, **months: int) -> dict[str, Any]:
        settings = {f"ATTENDANCE_PROJECTOR_KEEP_{name.upper()}": str(count) for name, count in months.items()}
        self._environ.update(settings)
        process = await self.start("retention", "--json", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 0
        return dict(json.loads(out))

    async def tables(self, schema: str = "attendance") -> dict[str, Any]:
        found = {}
        for table in TABLES:
            rows = await self.sql.fetch(
                f"SELECT to_jsonb(t) - 'projected_at' AS row FROM {schema}.{table} AS t ORDER BY 1::text"  # noqa: S608
            )
            found[table] = sorted(row["row"] for row in rows)
        return found

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest_asyncio.fixture
async def deployment(
    stack: StackEnv, plant: Any, topic_prefix: str, unused_port: int
) -> AsyncIterator[Deployment]:
    # What the fixture plant has told its own projector is in no topic.
    await plant.sql.execute(f"TRUNCATE {', '.join(TABLES + REPORTING)}, consumed_position")
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "DATABASE_URL": plant.url,
        "ATTENDANCE_PROJECTOR_PORT": str(unused_port),
        "ATTENDANCE_PROJECTOR_LOG_LEVEL": "WARNING",
        "ATTENDANCE_PROJECTOR_TICK_INTERVAL": "PT1H",
    }
    await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=topic_prefix, partitions=3)
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    async with SchemaRegistry(stack.schema_registry_url) as registry, RecordProducer(kafka) as producer:
        codec = Codec(registry, prefix=topic_prefix)
        await codec.prepare([DIRECTORY, MATCHES, PUNCHES, CORRECTIONS])
        made = Deployment(plant, environ, topic_prefix, codec, producer)
        await made.history()
        await made.start("run")
        await made.live_is_even()
        yield made
        await made.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_topics([topic_prefix + topic.name for topic in all_topics()])
    await admin.close()


@asynccontextmanager
async def polling(database: Database) -> AsyncIterator[list[Any]]:
    """Read every 50 ms, as query-api does, what cannot change; the list gets each answer."""
    answers: list[Any] = []
    done = asyncio.Event()

    async def poll() -> None:
        options = PoolOptions(size=4, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
        async with open_pool(database.query_url, options) as pool:
            pools = ReadPools(
                pool, None, QueryApiMetrics(CollectorRegistry()), monotonic=time.monotonic, retry_seconds=1.0
            )
            while not done.is_set():
                days = await pools.fetch(
                    "attendance_days",
                    **{"org_id": "org", "first_on": FIRST_ON, "last_on": date(2026, 4, 5), "sites": None},
                    **{"person_id": None, "status": None, "limit": 1000},
                    **{"after_on": None, "after_person_id": None, "after_shift_id": None},
                )
                used = await pool.fetchrow(SCHEMAS_OF_ONE_STATEMENT)
                answers.append((tuple(map(tuple, days)), tuple(used)))
                await asyncio.sleep(0.05)

    task = asyncio.create_task(poll())
    try:
        yield answers
    finally:
        done.set()
        await task


async def test_a_rebuild_under_traffic_and_readers_equals_live(
    deployment: Deployment, migrated: Database
) -> None:
    await deployment.lock_periods()
    traffic = asyncio.Event()

    async def publish_until_told() -> None:
        for number in range(100_000):
            at = datetime(2026, 5, 1, 2, tzinfo=UTC) + timedelta(minutes=7 * number)
            await deployment.publish(deployment.plant.match(f"p-{number % PEOPLE}", at.isoformat()))
            if traffic.is_set():
                return
            await asyncio.sleep(0.01)

    before = await deployment.sql.fetchval("SELECT 'attendance'::regnamespace::oid")
    async with polling(migrated) as answers:
        publishing = asyncio.create_task(publish_until_told())
        code, lines, errors = await deployment.rebuild()
        after_switch = len(answers)

        async def is_read_again() -> bool:
            return len(answers) > after_switch + 5

        await eventually(is_read_again)
        traffic.set()
        await publishing
        await deployment.live_is_even()
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    assert lines[-1]["compared"] > len(TABLES)
    assert [line["step"] for line in lines if line.get("done") == 0][:2] == ["load", "sort"]
    # Readers saw the same days always, and each statement read one schema.
    (days, (used, schemas)) = answers[0]
    assert set(answers) == {(days, (used, 1))}
    assert schemas == 1
    assert used > 0
    # The name is with other tables now, and the live service writes them: what came since is there.
    after = await deployment.sql.fetchrow("SELECT oid FROM pg_namespace WHERE nspname = 'attendance'")
    assert after["oid"] != before
    assert await deployment.sql.fetchval("SELECT to_regclass('attendance.rebuild_state')") is None
    assert await deployment.sql.fetchval("SELECT count(*) FROM attendance.capture") == await in_log(
        deployment
    )
    # A second one, of the tables that the first one made, and quiet now: row by row.
    live = await deployment.tables()
    assert [table for table in TABLES if not live[table]] == ["organisation", "enrolment"]
    settled = await deployment.sql.fetch("SELECT settled_by IS NULL AS is_due FROM attendance.adjustment")
    assert {row["is_due"] for row in settled} == {True, False}
    assert ("2026-03-21", "day", "LEAVE", 0) not in await deployment.plant.days("p-9")
    assert {"DAY", "VOIDED"} <= {place for place, _ in await deployment.plant.places("p-1")}
    assert ("2026-04-20", "day", "PRESENT", 480) in await deployment.plant.days("p-9")
    assert "ABSENT" in {day[2] for day in await deployment.plant.days("p-0")}
    assert (await deployment.rebuild())[0] == 0
    assert await deployment.tables() == live
    assert await deployment.tables("attendance_previous") == live


async def in_log(deployment: Deployment) -> int:
    """Count the captures of all records: those of the history with a second decision count once."""
    decisions = await deployment.sql.fetchval(
        "SELECT sum(next_offset) FROM attendance.consumed_position WHERE topic LIKE '%matches'"
    )
    return int(decisions) - 40


async def test_a_killed_rebuild_goes_on(deployment: Deployment) -> None:
    live = await deployment.tables()
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
        " USING (person_id, attendance_on, shift_id) WHERE day.status <> old.status"
    )
    assert days > 0
    assert any(f"{days} days that differ were told" in line.get("note", "") for line in lines), lines


async def test_what_expired_is_named_and_can_be_kept(deployment: Deployment, stack: StackEnv) -> None:
    await deployment.lock_periods()
    live = await deployment.tables()
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    gone = TopicPartition(f"{deployment.prefix}attendance.matches", 1)
    await admin.delete_records({gone: RecordsToDelete(before_offset=60)})
    await admin.close()
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

"""What is told: once for each change, in its transaction, whatever tables take the place of others."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attendance_projector.errors import RebuildRefused
from attendance_projector.feed.adapters.postgres_outbox_queue import ROWS_IN_THE_WAY, open_outbox_queue
from attendance_projector.projection.adapters.postgres_read_model import (
    NextReadModel,
    PostgresReadModel,
    open_pool,
)
from attendance_projector.rebuild.adapters.postgres_differing_days import PostgresDifferingDays
from attendance_projector.rebuild.adapters.postgres_schemas import open_schemas
from attendance_projector.rebuild.adapters.postgres_switch import PostgresSwitch
from attendance_projector.rebuild.ports import LIVE, PREVIOUS
from attendance_projector.rebuild.tell_differences import Pace, tell_differences
from attendance_projector.store.migrate import migrate
from attendance_schemas.topics import CLOCK
from local_stack.for_tests.databases import columns_of

pytestmark = pytest.mark.integration

DAY = "2026-03-02"


class Heard(list[int]):
    """Hears how many people and months are told, and how many were to be."""

    def step(self, name: str, total: int) -> None:
        assert name == "tell"
        self.total = total

    def advance(self, count: int) -> None:
        self.append(count)


class Undone(Exception):
    """Ends a transaction."""


async def rows_of(plant: Any, schema: str = LIVE) -> list[tuple[int, str, str]]:
    rows = await plant.sql.fetch(f"SELECT id, key, event_type FROM {schema}.outbox ORDER BY id")  # noqa: S608
    return [tuple(row) for row in rows]


async def tell(read_model: PostgresReadModel, events: Iterable[Any], *, undo: bool = False) -> None:
    async def work(transaction: Any) -> None:
        await transaction.outbox.add(CLOCK, list(events))
        if undo:
            raise Undone

    await read_model.in_transaction(work)


async def test_what_is_told_is_committed_with_the_rest_or_not_at_all(plant: Any) -> None:
    ticks = [plant.tick(f"{DAY}T0{hour}:00Z") for hour in (3, 1, 2)]
    await tell(plant.read_model, ticks)
    with pytest.raises(Undone):
        await tell(plant.read_model, ticks, undo=True)
    stored = await plant.sql.fetch("SELECT * FROM outbox ORDER BY id")
    assert [json.loads(row["payload"])["event_id"] for row in stored] == [
        str(each.event_id) for each in ticks
    ]
    assert {(row["topic"], row["key"], row["event_type"]) for row in stored} == {
        ("attendance.clock", "clock", "ClockTicked")
    }
    # Greater than every number of a database that was made before this one.
    assert stored[0]["id"] > (datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1_000_000


async def test_rows_that_were_published_are_cleared_out_of_the_way(plant: Any) -> None:
    await plant.sql.execute(
        "INSERT INTO outbox (topic, key, event_type, payload)"
        " SELECT 't', 'k', 'E', '{}' FROM generate_series(1, $1)",
        ROWS_IN_THE_WAY,
    )
    async with open_outbox_queue(plant.feed_url) as queue:
        while rows := await queue.first_rows(ROWS_IN_THE_WAY // 4):
            await queue.remove(rows)
    cleared = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relid = 'outbox'::regclass"
    assert await plant.sql.fetchval(cleared) == 1


async def test_a_rebuild_tells_nobody(plant: Any) -> None:
    async with open_pool(plant.url) as pool:
        rebuilding = NextReadModel(pool)
        await tell(rebuilding, [plant.tick(f"{DAY}T01:00Z")])
        await plant.projector_on(rebuilding).apply(
            [
                plant.record(plant.match("asha", f"{DAY}T08:00+05:30")),
                plant.record(plant.policy(date(2026, 3, 1))),
            ]
        )
    assert await plant.days("asha")
    assert await rows_of(plant) == []


async def test_a_switch_and_a_rollback_take_along_what_is_still_to_be_told(plant: Any) -> None:
    await tell(plant.read_model, [plant.tick(f"{DAY}T01:00Z"), plant.tick(f"{DAY}T02:00Z")])
    waiting = await rows_of(plant)

    async def nothing_to_do() -> None:
        """Both stand where they should."""

    async with open_schemas(plant.url) as schemas:
        await plant.sql.execute("TRUNCATE consumed_position")  # as the new tables stand
        await schemas.create()
        await PostgresSwitch(schemas).put_in_place(nothing_to_do)
        assert (await rows_of(plant), await rows_of(plant, PREVIOUS)) == (waiting, [])
        await plant.read_model.positions([])
        await tell(plant.read_model, [plant.tick(f"{DAY}T03:00Z")])
        more = await rows_of(plant)
        assert more[:-1] == waiting
        assert more[-1] > waiting[-1]
        await PostgresSwitch(schemas).roll_back(nothing_to_do)
    assert (await rows_of(plant), await rows_of(plant, PREVIOUS)) == (more, [])
    await plant.read_model.positions([])
    await tell(plant.read_model, [plant.tick(f"{DAY}T04:00Z")])
    assert (await rows_of(plant))[-1] > more[-1]


async def test_days_that_differ_after_a_switch_can_be_told(plant: Any) -> None:
    people = [f"p-{number}" for number in range(5)]
    await plant.tell(*(plant.person(name) for name in people))
    hours = [f"{DAY}T{hour}:00+05:30" for hour in ("08", "12")]
    await plant.tell(*(plant.match(name, at) for name in people for at in hours))
    await plant.sql.execute("TRUNCATE outbox")
    on = date(2026, 3, 2)

    async def nothing_to_do() -> None:
        """Both stand where they should."""

    async with open_schemas(plant.url) as schemas:
        with pytest.raises(RebuildRefused, match="no tables of this version"):
            await tell_differences(PostgresDifferingDays(schemas), Heard())
        await schemas.create()
        await plant.sql.execute("SET search_path TO attendance_next")
        for table in ("attendance_day", "day_explanation"):
            await plant.sql.execute("SELECT ensure_partitions($1, $2::date[])", table, [on])
        for table in ("consumed_position", "attendance_day", "day_explanation"):
            await copied(plant, table)
        await plant.sql.execute("UPDATE attendance_day SET worked_minutes = 200 WHERE person_id = 'p-1'")
        await plant.sql.execute("UPDATE day_explanation SET explanation = '[]' WHERE person_id = 'p-2'")
        await plant.sql.execute("DELETE FROM attendance_day WHERE person_id = 'p-3'")
        await plant.sql.execute("UPDATE attendance_day SET shift_id = 'other' WHERE person_id = 'p-4'")
        await PostgresSwitch(schemas).put_in_place(nothing_to_do)
        await plant.sql.execute("SET search_path TO attendance")
        heard = Heard()
        assert await tell_differences(PostgresDifferingDays(schemas), heard) == 4
        assert sum(heard) == heard.total == 3
    events = [json.loads(row["payload"]) for row in await plant.sql.fetch("SELECT payload FROM outbox")]
    assert {
        (
            event["person_id"],
            event["shift_id"],
            event["change"],
            *(state and state["worked_minutes"] for state in (event["previous"], event["day"])),
        )
        for event in events
    } == {
        ("p-1", "day", "UPDATED", 240, 200),
        ("p-3", "day", "REMOVED", 240, None),
        ("p-4", "day", "REMOVED", 240, None),
        ("p-4", "other", "CREATED", None, 240),
    }


async def copied(plant: Any, table: str) -> None:
    """Copy a live table into the one of that name in the schema that the connection looks in."""
    columns = ", ".join(await columns_of(plant.sql, table))
    await plant.sql.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM attendance.{table}"  # noqa: S608
    )


async def switched_to_other_days(plant: Any, people: list[str]) -> None:
    """Make tables of before a switch in which everybody worked a minute less, in February and March."""
    on = [date(2026, month, 2) for month in (2, 3)]
    await plant.tell(*(plant.person(name) for name in people))
    await plant.tell(
        *(
            plant.match(name, f"{each}T{hour}:00+05:30")
            for each in on
            for name in people
            for hour in ("08", "12")
        )
    )
    await migrate(plant.url, schema=PREVIOUS)
    await plant.sql.execute(f"SET search_path TO {PREVIOUS}")
    await plant.sql.execute("SELECT ensure_partitions('attendance_day', $1::date[])", on)
    await copied(plant, "attendance_day")
    await plant.sql.execute("UPDATE attendance_day SET worked_minutes = 239")
    await plant.sql.execute("SET search_path TO attendance")
    await plant.sql.execute("TRUNCATE outbox")


async def test_told_days_wait_for_the_relay(plant: Any) -> None:
    people = [f"p-{number:02}" for number in range(40)]
    await switched_to_other_days(plant, people)
    pace = Pace(people_at_once=7, rows_waiting=10, patience=timedelta(seconds=30))
    most, told, is_done = 0, set[tuple[str, str]](), asyncio.Event()

    async def relay() -> None:
        """Publish some rows whenever the outbox is full, and what is left at the end."""
        nonlocal most
        while True:
            count = await plant.sql.fetchval("SELECT count(*) FROM outbox")
            most = max(most, count)
            if count < pace.rows_waiting and not is_done.is_set():
                await asyncio.sleep(0)
                continue
            rows = await plant.sql.fetch(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 5) RETURNING payload"
            )
            told.update(
                (event["person_id"], event["attendance_on"])
                for event in map(json.loads, (row[0] for row in rows))
            )
            if not rows:
                return

    relaying = asyncio.create_task(relay())
    async with open_schemas(plant.url) as schemas:
        assert await tell_differences(PostgresDifferingDays(schemas), Heard(), pace) == 80
        is_done.set()
    await relaying
    assert told == {(name, f"2026-0{month}-02") for name in people for month in (2, 3)}
    # Less than the bound, and one part more.
    assert pace.rows_waiting <= most < pace.rows_waiting + pace.people_at_once


async def test_without_a_relay_it_says_so_and_can_be_told_again(plant: Any) -> None:
    people = [f"p-{number}" for number in range(6)]
    await switched_to_other_days(plant, people)
    pace = Pace(people_at_once=2, rows_waiting=3, patience=timedelta(seconds=0.3))
    async with open_schemas(plant.url) as schemas:
        with pytest.raises(
            RebuildRefused, match="nobody has published any for 0 s; 4 days that differ were told"
        ):
            await tell_differences(PostgresDifferingDays(schemas), Heard(), pace)
        assert len(await rows_of(plant)) == 4
        # A row that can never be published is no reason to wait.
        await plant.sql.execute("UPDATE outbox SET refused = 'tried'")
        # Months that retention has dropped are no news.
        await plant.sql.execute("DELETE FROM attendance_day WHERE attendance_on < '2026-03-01'")
        await plant.sql.execute(
            "UPDATE partitioned_table SET kept_from = '2026-03-01' WHERE kept_with = 'days'"
        )
        assert await tell_differences(PostgresDifferingDays(schemas), Heard(), Pace()) == 6
    events = [
        json.loads(row["payload"])
        for row in await plant.sql.fetch("SELECT payload FROM outbox WHERE refused IS NULL ORDER BY id")
    ]
    assert {(each["person_id"], each["attendance_on"]) for each in events} == {
        (name, "2026-03-02") for name in people
    }
    assert {(each["previous"]["worked_minutes"], each["day"]["worked_minutes"]) for each in events} == {
        (239, 240)
    }

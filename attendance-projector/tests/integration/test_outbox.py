"""What is told: once for each change, in its transaction, whatever tables take the place of others."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attendance_projector.adapters.postgres_read_model import NextReadModel, PostgresReadModel, open_pool
from attendance_projector.adapters.postgres_rebuild import LIVE, PREVIOUS, open_schemas
from attendance_projector.errors import RebuildRefused
from attendance_projector.tell_differences import tell_differences
from attendance_schemas.topics import CLOCK

pytestmark = pytest.mark.integration

DAY = "2026-03-02"


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
        await schemas.switch(nothing_to_do)
        assert (await rows_of(plant), await rows_of(plant, PREVIOUS)) == (waiting, [])
        await plant.read_model.positions([])
        await tell(plant.read_model, [plant.tick(f"{DAY}T03:00Z")])
        more = await rows_of(plant)
        assert more[:-1] == waiting
        assert more[-1] > waiting[-1]
        await schemas.roll_back(nothing_to_do)
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
            await tell_differences(schemas, lambda _count: None)
        await schemas.create()
        await plant.sql.execute("SET search_path TO attendance_next")
        await plant.sql.execute("SELECT ensure_partitions('attendance_day', $1::date[])", [on])
        for table in ("consumed_position", "attendance_day"):
            await plant.sql.execute(f"INSERT INTO {table} SELECT * FROM attendance.{table}")  # noqa: S608
        await plant.sql.execute("UPDATE attendance_day SET worked_minutes = 200 WHERE person_id = 'p-1'")
        await plant.sql.execute("UPDATE attendance_day SET explanation = '[]' WHERE person_id = 'p-2'")
        await plant.sql.execute("DELETE FROM attendance_day WHERE person_id = 'p-3'")
        await plant.sql.execute("UPDATE attendance_day SET shift_id = 'other' WHERE person_id = 'p-4'")
        await schemas.switch(nothing_to_do)
        await plant.sql.execute("SET search_path TO attendance")
        parts: list[int] = []
        assert await tell_differences(schemas, parts.append) == sum(parts) == 4
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

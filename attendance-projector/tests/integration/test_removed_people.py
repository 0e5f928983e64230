"""What payroll closed stays when the person, or all of their punches, are taken back; a rebuild agrees."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.projection.adapters.postgres_read_model import open_pool
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.rebuild.adapters.postgres_bulk_load import ComputingReadModel, LoadingReadModel
from attendance_projector.rebuild.adapters.postgres_comparison import compare_tables
from attendance_projector.rebuild.adapters.postgres_schemas import (
    CARRIED,
    REPORTING,
    PostgresSchemas,
    open_schemas,
)
from attendance_projector.rebuild.ports import NEXT, Compared
from attendance_projector.rebuild.put_off_days import compute_days, keep_for_later
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import drop_months
from attendance_schemas.events import Outcome
from attendance_schemas.topics import CORRECTIONS, DIRECTORY
from attendance_testing.polling import eventually
from service_kit.kafka.records import Record

pytestmark = pytest.mark.integration

# In which order a rebuild loads: the directory first, locks last.
TURNS = {DIRECTORY.name: 0, CORRECTIONS.name: 2}
BUCKETS = 3
PEOPLE = ("asha", "binod", "chandra")
# Facts count from April on; days before 22 March are final.
KEEP, TODAY = KeptMonths(captures=2, punches=2, days=3), date(2026, 6, 15)


class Log:
    """What the plant is told, as its topics keep it."""

    def __init__(self, plant: Any) -> None:
        self.plant = plant
        self._records: list[Record] = []
        self._told = plant.tell
        plant.tell = self._tell

    async def _tell(self, *events: Any) -> list[Record]:
        records: list[Record] = await self._told(*events)
        self._records += records
        return records

    async def compacted(self) -> list[Record]:
        """Return the records as a rebuild loads them; of each key of the directory only the last is left."""
        newest: dict[object, Record] = {}
        for record in self._records:
            is_compacted = record.topic == DIRECTORY.name
            event = await self.plant.events.read(record)
            key = getattr(event, "key", None) or (DIRECTORY.key_of(event) if is_compacted else None)
            newest[key or (record.topic, record.offset)] = record
        return sorted(newest.values(), key=lambda each: (TURNS.get(each.topic, 1), each.topic, each.offset))


async def nothing() -> None:
    """Do nothing meanwhile."""


async def keep_what_is_final(schemas: PostgresSchemas) -> None:
    facts_from = (await schemas.retention()).facts_from
    if facts_from is not None:
        await schemas.prepare(facts_from)


async def differences(
    plant: Any,
    log: Log,
    meanwhile: Callable[[], Awaitable[Any]] = nothing,
    keep: Callable[[PostgresSchemas], Awaitable[None]] = keep_what_is_final,
) -> list[Compared]:
    """Rebuild beside the live tables; return what differs. `meanwhile` happens when it has begun."""
    async with AsyncExitStack() as stack:
        schemas = await stack.enter_async_context(open_schemas(plant.url))
        await schemas.create()
        await keep(schemas)
        await meanwhile()
        pool = await stack.enter_async_context(open_pool(plant.url, schema=NEXT))
        metrics = ProjectorMetrics(CollectorRegistry())
        loading = ApplyRecords(plant.events, LoadingReadModel(pool), metrics, recompute=keep_for_later)
        await loading.apply(await log.compacted())
        await schemas.waiting_punches()
        for number in range(BUCKETS):
            await ComputingReadModel(pool).compute_bucket(number, BUCKETS, compute_days)
        reader = await asyncpg.connect(plant.url, server_settings={"timezone": "UTC"})
        stack.push_async_callback(reader.close)
        tables = [
            each
            for each in await schemas.tables(NEXT)
            if each.name not in (*REPORTING, *CARRIED, "consumed_position")
        ]
        async with reader.transaction(isolation="repeatable_read", readonly=True):
            compared = [each async for each in compare_tables(reader, tables)]
        assert "period_lock" in {each.table for each in compared}
        return [each for each in compared if not each.is_equal]


def month(number: int) -> tuple[date, date]:
    return date(2026, number, 1), date(2026, number + 1, 1) - timedelta(days=1)


async def booked(plant: Any, *people: str) -> list[tuple[str, str, str, int, bool]]:
    query = "SELECT * FROM adjustment WHERE person_id = ANY ($1) ORDER BY person_id, attendance_on, booked_on"
    rows = await plant.sql.fetch(query, people or PEOPLE)
    return [
        (
            *(row["person_id"], f"{row['attendance_on']:%m-%d}", f"{row['booked_on']:%m-%d}"),
            *(row["worked_minutes"], row["settled_by"] is not None),
        )
        for row in rows
    ]


def worked(plant: Any, person: str, on: str) -> list[Any]:
    return [plant.match(person, f"{on}T{hour}:00+05:30") for hour in ("08:00", "12:00")]


def taken_back(plant: Any, punches: list[Any]) -> list[Any]:
    again = {"outcome": Outcome.UNKNOWN, "decision_round": 1}
    return [plant.match(None, each.occurred_at.isoformat(), each.capture_id, **again) for each in punches]


async def begun(plant: Any) -> Log:
    """Tell the directory again, so that the log has it, and who else works here."""
    log = Log(plant)
    people = [plant.person(name) for name in ("asha", "binod")]
    await plant.tell(plant.site(), plant.shift("day", 8, 12), *people)
    return log


async def test_what_is_owed_for_final_days_is_paid_to_who_is_removed(plant: Any) -> None:
    log = await begun(plant)
    for number in (1, 2, 3, 4, 5):
        await plant.tell(*worked(plant, "asha", f"2026-{number:02}-10"))
    await plant.tell(*worked(plant, "binod", "2026-01-10"))
    *_, april = [await plant.close(*month(number)) for number in (1, 2, 3, 4)]
    await plant.tell(*(plant.match(name, "2026-01-10T12:30:00+05:30") for name in ("asha", "binod")))
    # No lock has recorded her.
    await plant.tell(plant.person("chandra"), *worked(plant, "chandra", "2026-01-10"))
    async with open_monthly_tables(plant.url) as tables:
        await drop_months(tables, KEEP, TODAY)
    await plant.tell(*(plant.tombstone(plant.person(name)) for name in ("binod", "chandra")))
    owed = list(zip(PEOPLE, (30, 30, 240), strict=True))
    assert await booked(plant) == [(name, "01-10", "05-01", minutes, False) for name, minutes in owed]
    # What a rebuild has taken from the live tables is booked by the locks that it finds in the log.
    assert await differences(plant, log, lambda: plant.tell(plant.reopening(april))) == []
    due = [(name, "01-10", "04-01", minutes, False) for name, minutes in owed]
    assert await booked(plant) == due
    until_may = await plant.close(date(2026, 4, 1), date(2026, 5, 31))
    assert await booked(plant) == [(*each[:4], True) for each in due]
    assert await differences(plant, log, lambda: plant.tell(plant.reopening(until_may))) == []
    assert await booked(plant) == due


async def test_what_was_paid_stays_when_a_person_is_removed(plant: Any) -> None:
    log = await begun(plant)
    await plant.tell(plant.tick("2026-04-20T12:00:00Z"))
    for on in ("2026-03-10", "2026-03-11", "2026-04-10"):
        await plant.tell(*worked(plant, "asha", on))
    march = await plant.close(*month(3))
    await plant.tell(plant.match("asha", "2026-03-10T12:30:00+05:30"))
    april = await plant.close(date(2026, 4, 1), date(2026, 4, 5))
    await plant.tell(plant.match("asha", "2026-03-11T12:15:00+05:30"))
    # Where nothing stood, she was expected after all.
    await plant.tell(plant.policy(date(2026, 3, 1), expects_attendance=True))
    before = [await plant.days("asha"), await booked(plant, "asha")]
    settled, due = ("asha", "03-10", "04-01", 30, True), ("asha", "03-11", "04-06", 15, False)
    assert [each for each in before[1] if each[3]] == [settled, due]
    assert before[1][0] == ("asha", "03-01", "04-06", 0, False)
    # What is open goes, what was closed stays, and nothing is taken back; so without a time zone.
    for fact in (plant.person("asha"), plant.site()):
        await plant.tell(plant.tombstone(fact))
        assert [each[0] for each in await plant.days("asha")] == ["2026-03-10", "2026-03-11"]
        assert await booked(plant, "asha") == [settled]
        assert await differences(plant, log) == []
        await plant.tell(fact)
        assert [await plant.days("asha"), await booked(plant, "asha")] == before
    await plant.tell(plant.tombstone(plant.person("asha")))
    # A second lock keeps what stands, too, and does once the first one is reopened.
    await plant.close(*month(3))
    await plant.tell(plant.reopening(march), plant.reopening(april))
    assert [each[0] for each in await plant.days("asha")] == ["2026-03-10", "2026-03-11"]
    assert await booked(plant, "asha") == []
    assert await differences(plant, log) == []


async def test_a_rebuild_keeps_what_was_closed_of_punches_that_were_all_taken_back(plant: Any) -> None:
    log = await begun(plant)
    of_asha, of_binod = [worked(plant, name, "2026-03-10") for name in ("asha", "binod")]
    await plant.tell(*of_asha)
    await plant.close(*month(3))
    await plant.tell(*of_binod)
    await plant.close(*month(4))
    await plant.tell(*taken_back(plant, [*of_asha, *of_binod]))
    assert await plant.days("asha") == [("2026-03-10", "day", "PRESENT", 240)]
    settled = ("binod", "03-10", "04-01", 240, True)
    assert await booked(plant) == [
        ("asha", "03-10", "05-01", -240, False),
        settled,
        ("binod", "03-10", "05-01", -240, False),
    ]
    assert await differences(plant, log) == []
    await plant.tell(*(plant.tombstone(plant.person(name)) for name in ("asha", "binod")))
    assert [await plant.days("asha"), await booked(plant)] == [
        [("2026-03-10", "day", "PRESENT", 240)],
        [settled],
    ]
    assert await differences(plant, log) == []


async def test_what_comes_while_rows_are_copied_is_copied_whole_or_not_at_all(plant: Any) -> None:
    """An addition makes a punch and a correction: with one alone, the log would not make the other."""
    log = await begun(plant)
    await plant.close(*month(2))
    await plant.tell(*worked(plant, "asha", "2026-03-10"))

    async def is_waiting() -> Any:
        return await plant.sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")

    async def keep_with_an_addition_between(schemas: PostgresSchemas) -> None:
        async with plant.sql.transaction():
            # Punches are copied before this table, corrections after it.
            await plant.sql.execute(f"LOCK TABLE {NEXT}.pending_fact")
            copying = asyncio.create_task(schemas.prepare(date(2026, 4, 1)))
            await eventually(is_waiting)
            await plant.tell(plant.addition("asha", "2026-03-10T12:30:00+05:30"))
        await copying

    assert await differences(plant, log, keep=keep_with_an_addition_between) == []
    assert await plant.days("asha") == [("2026-03-10", "day", "PRESENT", 270)]

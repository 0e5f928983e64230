"""Months are made for rows that exist, by those who need them, and for nothing else."""

import asyncio
from collections.abc import Collection
from datetime import date
from typing import Any

import asyncpg
import pytest

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.rebuild.adapters.postgres_schemas import open_schemas
from attendance_projector.rebuild.ports import NEXT, PREVIOUS
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import drop_months
from attendance_schemas.events import DayStatus
from attendance_schemas.topics import CORRECTIONS
from attendance_testing.polling import DEADLINE

pytestmark = pytest.mark.integration

DAYS = {"attendance_day", "day_explanation"}
FACTS = {"capture", "punch"}
SINCE_EVER = date(2000, 1, 1)
YEARS = 5
# As on a server with room for so many locks: a transaction that drops and holds more ends as it would there.
FEW_LOCKS = """
CREATE FUNCTION public.few_locks() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()) > 100 THEN
        RAISE EXCEPTION 'out of shared memory' USING ERRCODE = 'out_of_memory';
    END IF;
END
$$
"""


async def months(plant: Any, tables: Collection[str]) -> set[str]:
    """Return the months that every one of the tables has."""
    rows = await plant.sql.fetch(
        "SELECT inhparent::regclass::text AS parent, right(inhrelid::regclass::text, 7) AS month"
        " FROM pg_inherits WHERE inhparent IN (SELECT to_regclass(table_name) FROM partitioned_table)"
    )
    return set.intersection(*({row["month"] for row in rows if row["parent"] == name} for name in tables))


async def test_what_makes_no_rows_makes_no_months(plant: Any) -> None:
    await plant.tell(plant.tombstone(plant.person("asha")))
    await plant.tell(
        plant.organisation("school", default_policy_on=SINCE_EVER),
        plant.policy(SINCE_EVER, site_id="of nobody", expects_attendance=True),
        plant.tick("2026-06-01T12:00Z"),
    )
    assert await months(plant, FACTS) == await months(plant, DAYS) == set()


async def test_a_policy_since_ever_makes_the_months_of_its_days(plant: Any) -> None:
    await plant.tell(
        plant.person("asha", joined_on=date(2026, 2, 27)), plant.person("nobody-expects", shift=None)
    )
    await plant.tell(plant.policy(SINCE_EVER, expects_attendance=True), plant.tick("2026-04-02T12:00Z"))
    assert await months(plant, DAYS) == {"2026_02", "2026_03", "2026_04"}
    assert await months(plant, FACTS) == set()
    await plant.tell(plant.match("asha", "2026-04-02T12:30Z"))
    assert await months(plant, FACTS) == {"2026_04"}


async def test_a_day_in_a_month_of_its_own_is_stored_once(plant: Any) -> None:
    records = await plant.tell(
        plant.override("asha", date(2019, 5, 2), DayStatus.LEAVE), plant.match("asha", "2026-03-02T02:30Z")
    )
    assert await months(plant, DAYS) == {"2019_05", "2026_03"}
    assert [day for day, *_ in await plant.days("asha")] == ["2019-05-02", "2026-03-02"]
    before = await plant.tables()
    await plant.projector.apply(records)
    assert await plant.tables() == before


async def test_two_projectors_make_months_at_once_and_keep_no_writer_waiting(plant: Any) -> None:
    await plant.tell(plant.person("ravi"), plant.match("asha", "2026-03-02T02:30Z"))
    async with (
        open_read_model(plant.writer_url) as one,
        open_read_model(plant.writer_url) as other,
        asyncio.timeout(DEADLINE),
    ):
        overridden = [plant.override(name, date(2018, 5, 2), DayStatus.LEAVE) for name in ("asha", "ravi")]
        records = [plant.record(each, CORRECTIONS.name, number) for number, each in enumerate(overridden)]
        await asyncio.gather(
            plant.projector_on(one).apply(records[:1]), plant.projector_on(other).apply(records[1:])
        )
        assert await months(plant, DAYS) == {"2018_05", "2026_03"}
        # Somebody makes months, and has not ended: who has room goes on.
        maker = await asyncpg.connect(plant.url, server_settings={"search_path": "attendance"})
        making = maker.transaction()
        await making.start()
        await maker.execute("SELECT ensure_partitions(table_name, '{2017-01-01}') FROM partitioned_table")
        await plant.tell(plant.match("asha", "2026-03-02T06:30Z"))
        await making.rollback()
        await maker.close()
    assert [day for day, *_ in await plant.days("asha")] == ["2018-05-02", "2026-03-02"]
    assert (await plant.days("asha"))[1][2:] == ("PRESENT", 240)


async def test_nothing_counts_before_the_first_date_of_the_installation(plant: Any) -> None:
    await plant.read_model.begin_at(date(2026, 3, 10))
    early = (
        plant.match("asha", "2003-01-01T02:30Z"),
        plant.punch("b-1", "2026-03-09T02:30Z"),
        plant.addition("asha", "2026-03-09T02:30Z"),
        plant.override("asha", date(2026, 3, 9), DayStatus.LEAVE),
    )
    await plant.tell(*early)
    refused = await plant.sql.fetch("SELECT reason, detail FROM refused_fact")
    assert [row["reason"] for row in refused] == ["month-no-longer-kept"] * len(early)
    assert all("count from 2026-03-10" in row["detail"] for row in refused)
    await plant.tell(plant.policy(SINCE_EVER, expects_attendance=True), plant.tick("2026-03-11T12:00Z"))
    assert [day for day, *_ in await plant.days("asha")] == ["2026-03-10", "2026-03-11"]
    assert await months(plant, DAYS) == {"2026_03"}
    await plant.sql.execute("SELECT ensure_partitions(table_name, '{2026-02-28}') FROM partitioned_table")
    assert await months(plant, FACTS) == {"2026_03"}
    # Earlier from now on; what is stored stays.
    await plant.read_model.begin_at(date(2026, 3, 1))
    await plant.tell(plant.match("asha", "2026-03-09T02:30Z"))
    assert (await plant.days("asha"))[0][0] == "2026-03-09"


async def make_years(plant: Any) -> None:
    """Make more tables in the schema of the search path than a transaction may lock from now on."""
    for year in range(2020, 2020 + YEARS):
        await plant.sql.execute(
            "SELECT ensure_partitions(table_name, $1::date[]) FROM partitioned_table",
            [date(year, month, 1) for month in range(1, 13)],
        )
    await plant.as_administrator(FEW_LOCKS)
    await plant.as_administrator(
        "CREATE EVENT TRIGGER few_locks ON sql_drop EXECUTE FUNCTION public.few_locks()"
    )


@pytest.mark.parametrize("schema", [NEXT, PREVIOUS])
async def test_years_of_months_are_discarded_in_small_transactions(plant: Any, schema: str) -> None:
    """What an unfinished rebuild left (`--discard`), and what a switch took away (`--drop-previous`)."""
    async with open_schemas(plant.url) as schemas:
        await schemas.create()
        await plant.sql.execute(f"SET search_path TO {NEXT}")
        await make_years(plant)
        if schema == PREVIOUS:
            await plant.sql.execute(f"ALTER SCHEMA {NEXT} RENAME TO {PREVIOUS}")
        with pytest.raises(asyncpg.OutOfMemoryError):
            await plant.sql.execute(f"DROP SCHEMA {schema} CASCADE")
        await schemas.discard(schema)
        assert not await schemas.exists(schema)


async def test_years_of_months_are_dropped_by_retention_in_small_transactions(plant: Any) -> None:
    await make_years(plant)
    async with open_monthly_tables(plant.url) as tables:
        done = await drop_months(tables, KeptMonths(captures=2, punches=2, days=3), date(2024, 6, 15))
    assert len(done.months) == 4 * 4 * 12 + 2 * 3 + 2 * 2
    assert min(await months(plant, FACTS)) == "2024_04"
    assert min(await months(plant, DAYS)) == "2024_03"


async def test_what_is_before_the_first_date_stays_whose_it_is(plant: Any) -> None:
    """A badge that passes on, and a review, leave punches where the days of them stay as they are."""
    await plant.tell(plant.person("binod"), plant.person("asha", badge="B1"))
    face = plant.match("asha", "2026-02-16T08:00+05:30")
    shown = [plant.punch("B1", f"2026-0{month}-16T12:00+05:30") for month in (2, 3)]
    await plant.tell(face, *shown)
    before = await plant.tables("attendance_day", "punch")
    await plant.read_model.begin_at(date(2026, 3, 1))
    await plant.tell(
        plant.person("asha"), plant.person("binod", badge="B1"), plant.review(face.capture_id, "binod")
    )
    after = await plant.tables("attendance_day", "punch")
    for table, column in (("attendance_day", "attendance_on"), ("punch", "occurred_at")):
        stayed = [[row for row in rows[table] if str(row[column]) < "2026-03"] for rows in (before, after)]
        assert stayed[0] == stayed[1], table
    assert await plant.days("binod") == [("2026-03-16", "day", "INCOMPLETE", 0)]

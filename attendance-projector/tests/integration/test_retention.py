"""Months that are not kept are dropped under readers, stay dropped, and a rebuild agrees."""

import asyncio
import random
from datetime import date, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from rich.console import Console

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.errors import RetentionRefused
from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import explain_stored
from attendance_projector.explain.print_explanation import days_json, explanation_json, print_explanation
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.projection.periods.rebook_final import final_part, rebook_final
from attendance_projector.projection.stored import PersonDates, PersonKey
from attendance_projector.retention.adapters.postgres_monthly_tables import (
    PostgresMonthlyTables,
    open_monthly_tables,
)
from attendance_projector.retention.drop_months import Dropped, drop_months
from attendance_schemas.events import DayStatus
from attendance_testing.projector.plant import worked_half_a_year

pytestmark = pytest.mark.integration

TODAY = date(2026, 6, 15)
# Captures and punches from April on, days from March on; facts count from May on, before 21 April: final.
KEEP = KeptMonths(captures=2, punches=2, days=3)
DEADLINE = 30.0


async def dropped(plant: Any, keep: KeptMonths = KEEP, **options: bool) -> Dropped:
    async with open_monthly_tables(plant.url) as tables:
        return await drop_months(tables, keep, TODAY, **options)


async def months(plant: Any, table: str) -> list[str]:
    rows = await plant.sql.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1",
        table,
    )
    return [row["name"].removeprefix(f"{table}_") for row in rows]


async def test_what_would_be_dropped_is_said_and_left(plant: Any) -> None:
    await worked_half_a_year(plant)
    before = await plant.tables()
    said = await dropped(plant, dry_run=True)
    assert {each.parent for each in said.months} == {"capture", "punch", "attendance_day", "day_explanation"}
    assert await plant.tables() == before
    assert (await dropped(plant, KeptMonths())).months == []
    assert await plant.tables() == before


async def test_dropped_months_are_gone_and_late_facts_do_not_bring_them_back(plant: Any) -> None:
    events = await worked_half_a_year(plant)
    done = await dropped(plant)
    assert await months(plant, "punch") == await months(plant, "capture")
    assert min(await months(plant, "punch")) == "2026_04"
    assert min(await months(plant, "attendance_day")) == "2026_03"
    assert [f"{each.month:%m}" for each in done.months if each.parent == "punch"] == ["01", "02", "03"]
    assert min(await months(plant, "day_explanation")) == "2026_03"
    before = await plant.tables("capture", "punch", "attendance_day")
    too_late = (
        plant.match("asha", "2026-01-12T08:00:00+05:30"),
        plant.match("asha", "2026-04-12T08:00:00+05:30"),  # the oldest month that is kept is final
        plant.match("asha", events[0].occurred_at.isoformat(), events[0].capture_id, decision_round=1),
        plant.punch("b-9", "2026-02-12T08:00:00+05:30"),
        plant.addition("asha", "2026-03-12T08:00:00+05:30"),
        plant.override("asha", date(2026, 3, 10), DayStatus.PRESENT),
    )
    await plant.tell(*too_late)
    refused = await plant.sql.fetch("SELECT reason, detail FROM refused_fact")
    assert [row["reason"] for row in refused] == ["month-no-longer-kept"] * len(too_late)
    assert all("count from 2026-0" in row["detail"] for row in refused)
    await plant.tell(plant.review(events[0].capture_id, "somebody"), plant.void("asha", events[12]))
    assert await plant.tables("capture", "punch", "attendance_day") == before
    assert min(await months(plant, "attendance_day")) == "2026_03"


async def test_facts_about_kept_months_count_and_final_days_stand(plant: Any) -> None:
    await worked_half_a_year(plant)
    final = "SELECT xmin, * FROM attendance_day WHERE attendance_on < '2026-04-21' ORDER BY attendance_on"
    await dropped(plant)
    before = await plant.sql.fetch(final)
    assert [f"{row['attendance_on']:%m-%d}" for row in before] == ["03-10", "03-25", "04-10"]
    await plant.tell(plant.match("asha", "2026-05-01T08:00:00+05:30"))
    # Another shift, another home, and a policy that expects her since January: only open dates change.
    await plant.tell(plant.shift("day", 9, 13))
    await plant.tell(
        plant.policy(date(2026, 1, 1), expects_attendance=True), plant.tick("2026-06-15T12:00:00Z")
    )
    assert await plant.sql.fetch(final) == before
    days = await plant.sql.fetch("SELECT * FROM attendance_day WHERE attendance_on >= '2026-04-21'")
    by_date = {f"{row['attendance_on']:%m-%d}": row for row in days}
    assert min(by_date) == "04-21"
    assert by_date["04-22"]["status"] == "ABSENT"
    assert by_date["05-01"]["punch_count"] == 1
    assert by_date["05-10"]["punch_count"] == 2
    assert min(await months(plant, "punch")) == "2026_04"


def month(number: int) -> tuple[date, date]:
    return date(2026, number, 1), date(2026, number + 1, 1) - timedelta(days=1)


async def locked(plant: Any, *numbers: int, site: str | None = None, **fields: Any) -> None:
    """Store locks of months as they are once they came back; asha is of site `site`."""
    columns = {
        "lock_id": None,
        "sealing_id": None,
        "org_id": "org",
        "site_id": site,
        "in_force": True,
    } | fields
    for number in numbers:
        starts_on, ends_on = month(number)
        row = columns | {
            "lock_id": uuid4(),
            "sealing_id": uuid4(),
            "starts_on": starts_on,
            "ends_on": ends_on,
        }
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await plant.sql.execute(
            f"INSERT INTO period_lock ({', '.join(row)}) VALUES ({places})",  # noqa: S608
            *row.values(),
        )
        if site == "site":
            insert = "INSERT INTO locked_person VALUES ($1, $2, $3, 'asha')"
            await plant.sql.execute(insert, row["org_id"], row["lock_id"], row["sealing_id"])


async def test_months_that_payroll_has_not_closed_stay(plant: Any) -> None:
    await worked_half_a_year(plant)
    january, may = date(2026, 1, 1), date(2026, 5, 1)

    async def facts_from() -> date | None:
        return (await dropped(plant, dry_run=True)).retention.facts_from

    everything = (1, 2, 3, 4, 5)
    for numbers, fields, expected in (
        (everything, {}, may),
        ((1, 3, 4, 5), {}, january),  # February was never locked
        # A month that is opened again, or not sealed yet, is open, also when it is the first one.
        ((3, 4, 5), {"also": 2}, january),
        # Each site on its own, and the other one alone in February.
        (everything, {"site": "site"}, may),
        ((1, 3, 4, 5), {"site": "site", "also": 2, "other": "delhi"}, january),
        # Before the first lock ever, nobody closed anything.
        ((3, 4, 5), {}, may),
    ):
        await plant.sql.execute("TRUNCATE period_lock, locked_person")
        await locked(plant, *numbers, site=fields.get("site"))
        if also := fields.get("also"):
            await locked(plant, also, site=fields.get("other"), in_force="other" in fields)
        assert await facts_from() == expected, (numbers, fields)
    # Who is nobody's any more is closed by a lock of the organisation.
    await plant.sql.execute("TRUNCATE period_lock, locked_person")
    await locked(plant, 1, 3, 4, 5, site="site")
    await locked(plant, 2)
    assert await facts_from() == may


async def test_a_month_that_is_opened_again_before_everybody_waits_stays(plant: Any) -> None:
    await worked_half_a_year(plant)
    await locked(plant, 1, 2, 3, 4, 5, site="site")
    async with open_monthly_tables(plant.url) as tables:
        move = tables.move

        async def open_february(wanted: Any) -> Any:
            await plant.sql.execute("UPDATE period_lock SET in_force = false WHERE starts_on = '2026-02-01'")
            return await move(wanted)

        tables.move = open_february
        found = await drop_months(tables, KEEP, TODAY)
    assert found.open_from is not None
    assert found.open_from.replace(day=1) == date(2026, 2, 1)
    assert found.retention.facts_from == date(2026, 1, 1)


async def test_facts_about_the_first_open_date_count_whatever_their_utc_date(plant: Any) -> None:
    await worked_half_a_year(plant)
    for number in (1, 2):
        await plant.close(*month(number))
    done = await dropped(plant)
    assert min(await months(plant, "punch")) == "2026_01"
    assert done.retention.final_before == date(2026, 1, 22)
    # Still February in UTC.
    first = date(2026, 3, 1)
    await plant.tell(plant.shift("dawn", 5, 9), plant.roster("asha", "dawn", first, first))
    await plant.tell(plant.match("asha", "2026-03-01T05:00:00+05:30"))
    assert ("2026-03-01", "dawn", "INCOMPLETE", 0) in await plant.days("asha")


async def booked(plant: Any) -> list[tuple[str, str, int, bool]]:
    rows = await plant.sql.fetch("SELECT * FROM adjustment ORDER BY attendance_on, booked_on")
    return [
        (
            f"{row['attendance_on']:%m-%d}",
            f"{row['booked_on']:%m-%d}",
            row["worked_minutes"],
            row["settled_by"] is not None,
        )
        for row in rows
    ]


async def test_what_is_owed_for_final_days_is_paid_whatever_happens_to_later_locks(plant: Any) -> None:
    await worked_half_a_year(plant)
    january, *_, april = [await plant.close(*month(number)) for number in (1, 2, 3, 4)]
    await plant.tell(plant.match("asha", "2026-01-10T12:30:00+05:30"))
    may = await plant.close(*month(5))
    await plant.tell(plant.match("asha", "2026-01-25T12:15:00+05:30"))
    owed = [("01-10", "05-01", 30, True), ("01-25", "06-01", 15, False)]
    assert await booked(plant) == owed
    kept = await plant.tables("locked_person", "locked_day", "locked_adjustment")
    before = await plant.tables("adjustment", without=("xmin", "closes_at", "absence"))
    done = await dropped(plant)
    assert (done.retention.facts_from, min(await months(plant, "attendance_day"))) == (
        date(2026, 5, 1),
        "2026_03",
    )
    # What stood in a month that is gone is kept with its lock; what is late about it is refused.
    assert await plant.tables(*kept) == kept
    assert await plant.tables("adjustment", without=("xmin", "closes_at", "absence")) == before
    late = plant.match("asha", "2026-01-10T13:00:00+05:30"), plant.reopening(january), plant.reopening(april)
    await plant.tell(*late)
    refused = await plant.refusals()
    assert [(kind, reason) for kind, _, reason in refused] == [
        ("MatchDecided", "month-no-longer-kept"),
        *[("PeriodReopened", "month-no-longer-kept")] * 2,
    ]
    # April is final until the 20th; what is learned about its other days is adjusted.
    await plant.tell(plant.override("asha", date(2026, 4, 25), DayStatus.LEAVE))
    of_april = ("04-25", "06-01", -240, False)
    assert await booked(plant) == [*owed, of_april]
    # Opened again, May pays what is booked in it; locked again, it is paid with that lock.
    await plant.tell(plant.reopening(may))
    opened = [("01-10", "05-01", 30, False), ("01-25", "05-01", 15, False), ("04-25", "05-01", -240, False)]
    assert await booked(plant) == opened
    explanations = await plant.sql.fetch(
        "SELECT explanation::text FROM adjustment WHERE attendance_on < '2026-02-01'"
    )
    for (text,) in explanations:
        assert "the period 2026-01-01 to 2026-01-31 was closed" in text
        assert text.count("booked on 2026-05-01") == 1
        assert "first_last_counting" in text
    again = await plant.close(*month(5))
    assert await booked(plant) == [(*each[:3], True) for each in opened]
    settled = await plant.sql.fetch("SELECT DISTINCT settled_by FROM adjustment")
    assert [row["settled_by"] for row in settled] == [again.lock_id]


async def test_what_was_taken_back_before_its_lock_was_in_force_is_taken_back_in_the_open(plant: Any) -> None:
    await worked_half_a_year(plant)
    for number in (1, 2, 3, 4):
        await plant.close(*month(number))
    late = plant.match("asha", "2026-01-10T12:30:00+05:30")
    await plant.tell(late, plant.lock(*month(5)))
    sealed = await plant.outbox()
    await plant.tell(plant.void("asha", late))
    assert await booked(plant) == []
    # May is open until the lock is in force.
    assert (await dropped(plant)).retention.facts_from == date(2026, 4, 1)
    await plant.tell(*sealed)
    assert await booked(plant) == [("01-10", "05-01", 30, True), ("01-10", "06-01", -30, False)]


async def test_where_final_days_are_booked_does_not_depend_on_the_way(plant: Any) -> None:
    """A rebuild copies them at some moment, and books them by all locks that came until its end."""
    chance = random.Random(1)
    await worked_half_a_year(plant)
    for number in (1, 2, 3, 4):
        await plant.close(*month(number))
    days = [f"2026-{number:02}-{day}" for number in (1, 2, 3) for day in ("10", "25")]
    locks = []
    for number, minute in ((5, 15), (6, 40)):
        for day in chance.sample(days, 4):
            await plant.tell(plant.match("asha", f"{day}T12:{minute}:00+05:30"))
        locks += [await plant.close(*month(number))] if number == 5 else []
    await plant.tell(plant.override("asha", date(2026, 2, 10), DayStatus.LEAVE))
    final_before = (await dropped(plant)).retention.final_before
    owed = (
        "SELECT sum(worked_minutes), count(DISTINCT attendance_on) FROM adjustment WHERE attendance_on < $1"
    )
    expected = await plant.sql.fetchrow(owed, final_before)
    columns = "SELECT * FROM adjustment WHERE attendance_on < $1 ORDER BY 1, 2, 3, 4, 5"
    copies: list[Any] = []
    found: Any = None
    for _ in range(12):
        copies.append(await plant.sql.fetch(columns, final_before))
        if locks and (not found or chance.random() < 0.5):
            await plant.tell(plant.reopening(locks.pop(chance.randrange(len(locks)))))
        else:
            first_on = date(2026, 5, 1) + timedelta(days=chance.randrange(5))
            locks.append(await plant.close(first_on, first_on + timedelta(days=chance.randrange(20))))
        found = await plant.sql.fetch(columns, final_before)
        assert (await plant.sql.fetchrow(owed, final_before))["sum"] == expected["sum"]
        for copied in copies:
            undone = plant.sql.transaction()
            await undone.start()
            await plant.sql.execute("DELETE FROM adjustment WHERE attendance_on < $1", final_before)
            await plant.sql.copy_records_to_table("adjustment", records=copied)
            everything = [PersonDates(PersonKey("org", "asha"), date.min, date.max)]
            await rebook_final(PostgresPeriods(plant.sql), final_part(everything, final_before))
            assert await plant.sql.fetch(columns, final_before) == found
            await undone.rollback()
    assert expected["count"] >= 5
    assert len(set(map(str, copies))) >= 5


async def test_a_final_day_is_shown_as_stored_and_called_neither_right_nor_wrong(plant: Any) -> None:
    await worked_half_a_year(plant)
    for number in (1, 2, 3, 4, 5):
        await plant.close(*month(number))
    await dropped(plant)
    async with open_snapshot(plant.url) as snapshot:
        gone, final, open_day = [
            await explain_stored(snapshot, "asha", date(2026, *on)) for on in ((1, 10), (3, 10), (6, 10))
        ]
    assert [each.is_wrong for each in (gone, final, open_day)] == [False] * 3
    assert [each.lock is not None for each in (gone, final, open_day)] == [True, True, False]
    assert days_json(gone)["days"] == []
    (day,) = days_json(final)["days"]
    assert (day["status"], day["worked_minutes"], open_day.final) == ("PRESENT", 240, None)
    assert "first_last_counting" in {each["rule"] for each in day["explanation"]}
    said = explanation_json(final)
    assert (said["final"], said["locked"], said["differences"]) == (True, True, [])
    console = Console(file=StringIO())
    print_explanation(console, gone)
    assert "2026-01-01 to 2026-01-31 was closed by hr-1" in str(console.file.getvalue())  # type: ignore[attr-defined]


async def test_a_badge_that_comes_too_late_counts_nothing(plant: Any) -> None:
    await plant.tell(
        plant.punch("b-1", "2026-02-10T08:00:00+05:30"), plant.punch("b-1", "2026-05-10T08:00:00+05:30")
    )
    done = await dropped(plant)
    assert done.forgotten_punches == 1
    await plant.tell(plant.person("binod", badge="b-1"))
    assert await plant.places("binod") == [("DAY", "2026-05-10")]


async def test_a_month_waits_for_its_readers_and_a_killed_command_goes_on(plant: Any) -> None:
    await worked_half_a_year(plant)
    reader = await asyncpg.connect(plant.url, server_settings={"search_path": "attendance"})
    reading = reader.transaction()
    await reading.start()
    await reader.fetchval("SELECT count(*) FROM punch")

    async def command() -> None:
        async with open_monthly_tables(plant.url) as tables:
            await drop_months(tables, KeptMonths(punches=2, days=6), TODAY)

    running = asyncio.create_task(command())
    async with asyncio.timeout(DEADLINE):
        while not await plant.sql.fetchval("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # Others read and write meanwhile; what is being detached is not seen any more.
    assert await plant.sql.fetchval("SELECT count(*) FROM punch") == 20
    await plant.tell(plant.match("asha", "2026-06-11T08:00:00+05:30"))
    await plant.sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'attendance-projector retention' AND datname = current_database()"
    )
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await running
    await reading.rollback()
    await reader.close()
    async with open_monthly_tables(plant.url) as tables:
        [first, *_] = [each for each in await tables.months(await tables.retention()) if each.is_pending]
        await tables.detach(first)  # killed again, before it was dropped
    done = await dropped(plant, KeptMonths(punches=2, days=6))
    assert first.child in {each.child for each in done.months}
    assert min(await months(plant, "punch")) == "2026_04"
    assert await plant.sql.fetchval("SELECT to_regclass('punch_2026_01')") is None


async def test_detached_months_can_be_put_aside(plant: Any) -> None:
    await worked_half_a_year(plant)
    await dropped(plant, keep_detached=True)
    archived = "SELECT count(*) FROM attendance_archive.punch_2026_01"
    assert await plant.sql.fetchval(archived) == 4
    assert (await dropped(plant, keep_detached=True)).months == []


async def test_only_one_and_never_beside_a_rebuild(plant: Any) -> None:
    async with open_monthly_tables(plant.url) as tables:
        assert isinstance(tables, PostgresMonthlyTables)
        with pytest.raises(RetentionRefused, match="run it again"):
            await dropped(plant)

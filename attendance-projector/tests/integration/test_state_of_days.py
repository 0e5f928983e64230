"""What lies beside the days says what they say: their explanation, who is in, what is undecided."""

from datetime import date
from typing import Any

import pytest

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import drop_months
from attendance_schemas.events import DayStatus

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"
BESIDE = ("day_explanation", "open_day", "unsettled_day")


async def keys(plant: Any, table: str, where: str = "true") -> list[tuple[Any, ...]]:
    rows = await plant.sql.fetch(
        f"SELECT org_id, person_id, attendance_on, shift_id FROM {table} WHERE {where} ORDER BY 1, 2, 3, 4"  # noqa: S608
    )
    return [tuple(row) for row in rows]


async def fits(plant: Any, *, is_locked: bool = False) -> None:
    """Compare what lies beside the days with them. A locked day stays PENDING when time has decided it."""
    assert await keys(plant, "day_explanation") == await keys(plant, "attendance_day")
    assert await keys(plant, "open_day") == await keys(plant, "attendance_day", "open_since IS NOT NULL")
    if not is_locked:
        undecided = await keys(plant, "unsettled_day", "absence <> 'REPORTED'")
        assert undecided == await keys(plant, "attendance_day", "status = 'PENDING'")
    differing = await plant.sql.fetchval(
        "SELECT count(*) FROM open_day"
        " JOIN attendance_day AS day USING (org_id, person_id, attendance_on, shift_id)"
        " WHERE (day.site_id, day.open_since) IS DISTINCT FROM (open_day.site_id, open_day.open_since)"
    )
    assert differing == 0


async def test_days_that_open_close_move_and_go_leave_nothing_beside_them(plant: Any) -> None:
    first, last = plant.match("asha", IN), plant.match("asha", OUT)
    await plant.tell(plant.policy(date(2026, 3, 2), expects_attendance=True), plant.tick("2026-03-02T03:00Z"))
    await fits(plant)
    assert len(await keys(plant, "unsettled_day")) == 1
    for event in (
        first,
        plant.person("asha", site="other"),
        plant.site("Asia/Kolkata", "other"),
        last,
        plant.void("asha", last),
        plant.override("asha", date(2026, 3, 2), DayStatus.LEAVE),
        plant.tick("2026-03-03T08:00Z"),
        plant.tick("2026-03-04T08:00Z"),
        plant.tombstone(plant.person("asha")),
    ):
        await plant.tell(event)
        await fits(plant)
    assert not any((await plant.tables("attendance_day", *BESIDE)).values())


async def test_many_days_at_once_are_as_few(plant: Any) -> None:
    """They go another way to the server."""
    names = [f"p-{number:03}" for number in range(250)]
    await plant.tell(*(plant.person(name) for name in names))
    for at in ("08:00", "12:00", "12:30"):
        await plant.tell(*(plant.match(name, f"{DAY}T{at}+05:30") for name in names))
        await fits(plant)
    assert len(await keys(plant, "open_day")) == 250
    before = await plant.tables("attendance_day", *BESIDE)
    await plant.tell(*(plant.match(name, f"{DAY}T12:30:01+05:30") for name in names))  # repeats
    after = await plant.tables("attendance_day", *BESIDE)
    assert after["attendance_day"] == before["attendance_day"]
    assert after["open_day"] == before["open_day"]
    assert all(row["xmin"] != before["day_explanation"][0]["xmin"] for row in after["day_explanation"])


async def test_a_punch_that_changes_nothing_of_a_day_writes_nothing(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN))
    before = await plant.tables("attendance_day", *BESIDE)
    await plant.tell(plant.shift("day", 8, 12), plant.person("asha"))
    assert await plant.tables("attendance_day", *BESIDE) == before


async def test_locked_days_keep_what_lies_beside_them(plant: Any) -> None:
    await plant.tell(plant.policy(date(2026, 3, 2), expects_attendance=True), plant.match("asha", IN))
    await plant.tell(plant.tick("2026-03-03T04:00Z"))
    lock = await plant.close(date(2026, 3, 1), date(2026, 3, 31))
    before = await plant.whole_days()
    await plant.tell(plant.match("asha", OUT), plant.match("asha", "2026-03-03T08:00+05:30"))
    await fits(plant, is_locked=True)
    assert [each["explanation"] for each in await plant.whole_days()] == [
        each["explanation"] for each in before
    ]
    await plant.tell(plant.tick("2026-03-05T12:00Z"))
    assert await keys(plant, "unsettled_day", "attendance_on = '2026-03-03'") == []
    await plant.tell(plant.reopening(lock))
    await fits(plant)


async def test_dropped_months_take_their_open_days_with_them(plant: Any) -> None:
    await plant.tell(*(plant.match("asha", f"2026-{month:02}-10T08:00+05:30") for month in range(1, 7)))
    assert len(await keys(plant, "open_day")) == 6
    async with open_monthly_tables(plant.url) as tables:
        await drop_months(tables, KeptMonths(captures=2, punches=2, days=3), date(2026, 6, 15))
    await fits(plant)
    assert len(await keys(plant, "open_day")) == 4

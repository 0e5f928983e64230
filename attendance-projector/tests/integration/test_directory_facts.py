from datetime import date, time, timedelta
from typing import Any

import pytest

from attendance_schemas.events import LeavePart, RoundingMode, Weekday

pytestmark = pytest.mark.integration

MONDAY = date(2026, 3, 2)


def on(number: int) -> date:
    return date(2026, 3, number)


async def work(plant: Any, person: str, *dates: date, until: str = "12:00") -> None:
    for each in dates:
        await plant.tell(plant.match(person, f"{each}T08:00+05:30"))
        await plant.tell(plant.match(person, f"{each}T{until}+05:30"))


async def statuses(plant: Any, person: str = "asha") -> list[tuple[int, str, int]]:
    return [
        (date.fromisoformat(day).day, status, worked) for day, _, status, worked in await plant.days(person)
    ]


async def written(plant: Any) -> dict[tuple[str, date], int]:
    """Return which transaction wrote each day last."""
    rows = (await plant.tables("attendance_day"))["attendance_day"]
    return {(row["person_id"], row["attendance_on"]): row["xmin"] for row in rows}


async def rewritten(plant: Any, before: dict[tuple[str, date], int]) -> set[tuple[str, int]]:
    after = await written(plant)
    keys = before.keys() | after.keys()
    return {
        (person, day.day) for person, day in keys if before.get((person, day)) != after.get((person, day))
    }


async def test_breaks_rounding_and_overtime_of_a_shift(plant: Any) -> None:
    press = plant.shift(
        "press",
        8,
        16,
        break_minutes=30,
        break_after_minutes=300,
        rounding=RoundingMode.DOWN,
        rounding_minutes=15,
        overtime_after_minutes=10,
        overtime_cap_minutes=60,
        overtime_needs_approval=True,
        window_after_minutes=240,
    )
    await plant.tell(press, plant.person("asha", "press"))
    await work(plant, "asha", on(2), until="19:07")
    (row,) = await plant.whole_days()
    assert (row["worked_minutes"], row["break_minutes"], row["overtime_minutes"]) == (630, 30, 60)
    assert '"overtime_approval"' in row["explanation"]


async def test_a_rotation_gives_the_shift_on_its_days_of_the_cycle(plant: Any) -> None:
    await plant.tell(
        plant.person("binod", shift=None),
        plant.roster("binod", "day", MONDAY, rotation_length=4, rotation_days=(1, 2)),
    )
    await work(plant, "binod", *map(on, range(2, 10)))
    assert [day for day, _, _ in await statuses(plant, "binod")] == [2, 3, 6, 7]
    before = await written(plant)
    await plant.tell(plant.roster("binod", "day", MONDAY, rotation_length=4, rotation_days=(1, 2, 3)))
    assert await rewritten(plant, before) == {("binod", 4), ("binod", 8)}


@pytest.mark.parametrize("comes_first", ["holiday", "punches"])
async def test_a_holiday_is_a_holiday_whenever_it_is_told(plant: Any, comes_first: str) -> None:
    if comes_first == "holiday":
        await plant.tell(plant.holiday(on(3)))
    await work(plant, "asha", on(2), on(3), on(4))
    before = await written(plant)
    if comes_first == "punches":
        await plant.tell(plant.holiday(on(3)))
        assert await rewritten(plant, before) == {("asha", 3)}
    assert await statuses(plant) == [(2, "PRESENT", 240), (3, "HOLIDAY", 0), (4, "PRESENT", 240)]
    await plant.tell(plant.holiday(on(4)))
    assert await statuses(plant) == [(2, "PRESENT", 240), (3, "PRESENT", 240), (4, "HOLIDAY", 0)]


async def test_a_holiday_of_a_site_is_for_people_with_that_home(plant: Any) -> None:
    await plant.tell(plant.site(site_id="mill"), plant.person("binod", site="mill"))
    for person in ("asha", "binod"):
        await work(plant, person, on(2))
    await plant.tell(plant.holiday(on(2), site="mill"))
    assert (await statuses(plant, "asha"), await statuses(plant, "binod")) == (
        [(2, "PRESENT", 240)],
        [(2, "HOLIDAY", 0)],
    )
    await plant.tell(plant.person("binod"))
    assert await statuses(plant, "binod") == [(2, "PRESENT", 240)]


async def test_a_holiday_of_another_organisation_is_none(plant: Any) -> None:
    await work(plant, "asha", on(2))
    holiday = plant.holiday(on(2))
    await plant.tell(
        type(holiday)(
            **{name: getattr(holiday, name) for name in holiday.__struct_fields__} | {"org_id": "globex"}
        )
    )
    assert await statuses(plant) == [(2, "PRESENT", 240)]


async def test_leave_covers_its_dates_only_and_can_be_taken_back(plant: Any) -> None:
    await work(plant, "asha", *map(on, range(2, 7)))
    before = await written(plant)
    leave = plant.leave("asha", on(3), on(4))
    await plant.tell(leave)
    assert await rewritten(plant, before) == {("asha", 3), ("asha", 4)}
    assert [status for _, status, _ in await statuses(plant)] == [
        "PRESENT",
        "LEAVE",
        "LEAVE",
        "PRESENT",
        "PRESENT",
    ]
    await plant.tell(plant.leave("asha", on(4), on(5), part=LeavePart.HALF))
    assert [status for _, status, _ in await statuses(plant)] == [
        *("PRESENT", "PRESENT", "HALF_DAY", "HALF_DAY", "PRESENT")
    ]
    await plant.tell(plant.tombstone(leave))
    assert {status for _, status, _ in await statuses(plant)} == {"PRESENT"}


async def test_a_weekly_off_from_june_on_never_changes_may(plant: Any) -> None:
    sundays = [date(2026, 5, 31), date(2026, 6, 7)]
    await work(plant, "asha", *sundays)
    await plant.tell(plant.policy(date(2026, 6, 1), weekly_offs=(Weekday.SUN,)))
    assert [status for _, _, status, _ in await plant.days("asha")] == ["PRESENT", "WEEKLY_OFF"]


async def test_the_policy_of_a_site_beats_that_of_the_organisation_once_it_begins(
    plant: Any,
) -> None:
    await work(plant, "asha", *map(on, (1, 8, 15)))  # Sundays
    await plant.tell(plant.policy(weekly_offs=(Weekday.SUN,)))
    assert {status for _, status, _ in await statuses(plant)} == {"WEEKLY_OFF"}
    before = await written(plant)
    own = plant.policy(on(8), policy_id="own", site_id="site")
    await plant.tell(own)
    assert [status for _, status, _ in await statuses(plant)] == ["WEEKLY_OFF", "PRESENT", "PRESENT"]
    assert await rewritten(plant, before) == {("asha", 8), ("asha", 15)}
    await plant.tell(plant.policy(on(10), weekly_offs=(Weekday.SUN, Weekday.SAT)))
    assert [status for _, status, _ in await statuses(plant)] == ["WEEKLY_OFF", "PRESENT", "PRESENT"]
    await plant.tell(plant.tombstone(own))
    assert {status for _, status, _ in await statuses(plant)} == {"WEEKLY_OFF"}


async def test_a_flexible_policy_makes_days_of_punches_outside_every_shift(plant: Any) -> None:
    await plant.tell(plant.person("binod", shift=None))
    for at in ("2026-03-02T20:00+05:30", "2026-03-03T01:30+05:30"):
        await plant.tell(plant.match("binod", at))
    assert await plant.places("binod") == [("REVIEW", None)] * 2
    await plant.tell(plant.policy(on(2), flexible_day_start=time(5)))
    assert await plant.days("binod") == [("2026-03-02", "", "PRESENT", 330)]
    assert await plant.places("binod") == [("DAY", "2026-03-02")] * 2
    # From the 3rd on there are no flexible days: the one that began on the 2nd still lasts until its morning.
    await plant.tell(plant.policy(on(3)))
    assert await plant.days("binod") == [("2026-03-02", "", "PRESENT", 330)]
    await plant.tell(plant.policy(on(2)))
    assert await plant.places("binod") == [("REVIEW", None)] * 2


async def test_whoever_has_left_is_never_absent_by_threshold(plant: Any) -> None:
    await plant.tell(plant.shift("day", 8, 12, absent_below_minutes=300))
    await work(plant, "asha", on(2), on(3), on(4))
    assert {status for _, status, _ in await statuses(plant)} == {"ABSENT"}
    before = await written(plant)
    await plant.tell(plant.person("asha", joined_on=on(3), left_on=on(3)))
    assert [status for _, status, _ in await statuses(plant)] == ["PRESENT", "ABSENT", "PRESENT"]
    assert await rewritten(plant, before) == {("asha", 2), ("asha", 4)}
    await plant.tell(plant.person("asha", active=False))
    assert {status for _, status, _ in await statuses(plant)} == {"PRESENT"}


async def test_tombstones_take_directory_facts_back(plant: Any) -> None:
    roster = plant.roster("asha", "late", on(1))
    later = plant.shift("day", 9, 12, on(3), late_grace_minutes=0)
    await plant.tell(plant.shift("late", 8, 9), roster, later)
    await work(plant, "asha", on(2), on(3), until="08:30")
    assert {shift for _, shift, _, _ in await plant.days("asha")} == {"late"}
    await plant.tell(plant.tombstone(roster), plant.tombstone(plant.holiday(on(2))))
    rows = (await plant.tables("attendance_day"))["attendance_day"]
    assert [(row["shift_id"], row["shift_effective_on"]) for row in rows] == [
        ("day", date(2026, 1, 1)),
        ("day", on(3)),
    ]
    await plant.tell(plant.tombstone(later))
    rows = (await plant.tables("attendance_day"))["attendance_day"]
    assert {row["shift_effective_on"] for row in rows} == {date(2026, 1, 1)}
    await plant.tell(plant.tombstone(plant.site()))
    assert await plant.places("asha") == [("WAITING", None)] * 4
    await plant.tell(plant.site())
    await plant.tell(plant.tombstone(plant.person("asha")))
    assert (await plant.places("asha"), await plant.days("asha")) == ([("WAITING", None)] * 4, [])
    await plant.tell(plant.tombstone(plant.person("asha")), plant.person("asha"))
    assert len(await plant.days("asha")) == 2


async def test_a_policy_for_thousands_of_dates_touches_only_those_with_punches(plant: Any) -> None:
    await work(plant, "asha", MONDAY, MONDAY + timedelta(days=400))
    await plant.tell(plant.policy(date(2000, 1, 1), weekly_offs=(Weekday.MON,)))
    assert [status for _, _, status, _ in await plant.days("asha")] == ["WEEKLY_OFF", "PRESENT"]

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import explain_stored
from attendance_schemas.events import PersonTerms, Weekday

pytestmark = pytest.mark.integration

DAY = "2026-03-02"  # a Monday
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"


async def test_punches_wait_for_the_person_and_the_site(plant: Any) -> None:
    await plant.tell(plant.match("chandra", IN))
    assert await plant.places("chandra") == [("WAITING", None)]
    await plant.tell(plant.person("chandra", site="elsewhere"))
    assert await plant.places("chandra") == [("WAITING", None)]
    await plant.tell(plant.match("chandra", OUT))
    assert await plant.places("chandra") == [("WAITING", None)] * 2
    await plant.tell(plant.site(site_id="elsewhere"))
    assert await plant.places("chandra") == [("DAY", DAY)] * 2
    assert await plant.days("chandra") == [(DAY, "day", "PRESENT", 240)]


async def test_person_and_punches_in_one_batch(plant: Any) -> None:
    await plant.tell(plant.match("chandra", IN), plant.person("chandra"), plant.match("chandra", OUT))
    assert await plant.days("chandra") == [(DAY, "day", "PRESENT", 240)]


async def test_a_punch_outside_every_window_is_for_review(plant: Any) -> None:
    await plant.tell(plant.match("asha", f"{DAY}T20:00+05:30"))
    assert await plant.places("asha") == [("REVIEW", None)]
    await plant.tell(plant.shift("late", 18, 22), plant.roster("asha", "late", date(2026, 3, 2)))
    assert await plant.places("asha") == [("DAY", DAY)]
    await plant.tell(plant.roster("asha", "late", date(2026, 3, 3)))
    assert await plant.places("asha") == [("REVIEW", None)]
    assert await plant.days("asha") == []


async def test_a_roster_that_moves_to_another_person_changes_both(plant: Any) -> None:
    await plant.tell(plant.shift("late", 18, 22), plant.person("binod", shift=None))
    await plant.tell(plant.roster("asha", "late", date(2026, 3, 1), roster_id="r"))
    await plant.tell(*(plant.match(name, f"{DAY}T18:00+05:30") for name in ("asha", "binod")))
    assert await plant.days("asha") == [(DAY, "late", "INCOMPLETE", 0)]
    await plant.tell(plant.roster("binod", "late", date(2026, 3, 1), roster_id="r"))
    assert await plant.places("asha") == [("REVIEW", None)]
    assert await plant.days("binod") == [(DAY, "late", "INCOMPLETE", 0)]


async def test_weekdays_and_order_of_versions_in_one_batch(plant: Any) -> None:
    monday, tuesday = (Weekday.MON,), (Weekday.TUE,)
    await plant.tell(
        plant.person("binod", shift=None),
        plant.roster("binod", "day", date(2026, 3, 1), weekdays=tuesday),
        plant.roster("binod", "day", date(2026, 3, 1), weekdays=monday),
        plant.match("binod", IN),
        plant.match("binod", "2026-03-03T08:00+05:30"),
    )
    assert await plant.places("binod") == [("DAY", DAY), ("REVIEW", None)]


async def test_a_shift_changed_in_june_never_changes_may(plant: Any) -> None:
    await plant.tell(*(plant.match("asha", f"2026-0{month}-05T08:00+05:30") for month in (5, 6)))
    may = (await plant.tables("attendance_day"))["attendance_day"][0]
    await plant.tell(plant.shift("day", 6, 12, date(2026, 6, 1), late_grace_minutes=0))
    rows = (await plant.tables("attendance_day"))["attendance_day"]
    assert rows[0] == may
    assert (rows[1]["late_minutes"], rows[1]["shift_effective_on"]) == (120, date(2026, 6, 1))


async def test_a_corrected_shift_version_recomputes_its_days(plant: Any) -> None:
    await plant.tell(plant.match("asha", f"{DAY}T09:30+05:30"), plant.match("asha", OUT))
    await plant.tell(plant.shift("day", 8, 12, late_grace_minutes=60))
    (day,) = (await plant.tables("attendance_day"))["attendance_day"]
    assert (day["late"], day["late_minutes"]) == (True, 90)


async def test_a_site_in_another_zone_moves_its_days(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    await plant.tell(plant.site(zone="America/New_York"))
    assert await plant.places("asha") == [("REVIEW", None)] * 2
    await plant.tell(plant.site())
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


async def test_a_home_site_that_is_not_recorded_yet_takes_the_days_away(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN))
    await plant.tell(plant.person("asha", site="new"))
    assert await plant.places("asha") == [("WAITING", None)]
    assert await plant.days("asha") == []


async def test_a_new_name_rewrites_no_day(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN))
    before = await plant.tables("attendance_day", "punch")
    await plant.tell(plant.person("asha", display_name="Asha K", badge="7"))
    assert await plant.tables("attendance_day", "punch") == before


async def test_a_punch_taken_back_while_the_roster_changes_leaves_no_day_behind(plant: Any) -> None:
    capture_id = uuid4()
    await plant.tell(plant.shift("night", 22, 6), plant.person("binod", "night"))
    await plant.tell(plant.match("binod", "2026-03-03T05:30+05:30", capture_id))
    assert await plant.days("binod") == [(DAY, "night", "INCOMPLETE", 0)]
    await plant.tell(
        plant.person("binod", "day"),
        plant.match("asha", "2026-03-03T05:30+05:30", capture_id, decision_round=1),
    )
    assert await plant.days("binod") == []
    assert await plant.places("asha") == [("REVIEW", None)]


MARCH, APRIL_1 = (date(2026, 3, 1), date(2026, 3, 31)), date(2026, 4, 1)
MOVES: dict[str, dict[str, Any]] = {
    "another home": {"site": "london"},
    "another default shift": {"shift": "late"},
    "no default shift": {"shift": None},
    "inactive": {"active": False},
    "joined later": {"joined_on": date(2026, 4, 7)},
    "left earlier": {"left_on": date(2026, 3, 3)},
}


async def at_work(plant: Any) -> None:
    """Asha works from Monday to Thursday in March, with a holiday, an absence and a day in April."""
    await plant.tell(
        plant.site(zone="Europe/London", site_id="london"),
        plant.shift("late", 18, 22),
        plant.holiday(date(2026, 3, 4), "site"),
        plant.policy(MARCH[0], expects_attendance=True, weekly_offs=(Weekday.SUN,)),
        *(
            plant.match("asha", f"2026-03-{day:02}T{time}+05:30")
            for day in (2, 3)
            for time in ("08:00", "12:00")
        ),
        *(plant.match("asha", f"2026-04-06T{time}+05:30") for time in ("08:00", "12:00")),
        plant.tick("2026-04-08T12:00Z"),
    )


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("move", MOVES)
async def test_what_holds_from_a_date_on_leaves_the_days_before_it(
    plant: Any, move: str, is_closed: bool
) -> None:
    await at_work(plant)
    if is_closed:
        await plant.close(*MARCH)
    before = await plant.tables("attendance_day", "punch", "day_explanation")
    plain = await plant.tables("attendance_day", "punch", "day_explanation", without=("xmin",))
    terms = PersonTerms(replaced_on=APRIL_1, home_site_id="site", default_shift_id="day")
    changes = {"shift": "day", "site": "site"} | MOVES[move]
    await plant.tell(plant.person("asha", earlier=(terms,), **changes))
    after = await plant.tables("attendance_day", "punch", "day_explanation")
    for table, column in (("attendance_day", "attendance_on"), ("day_explanation", "attendance_on")):
        in_march = [[row for row in rows[table] if row[column] < APRIL_1] for rows in (before, after)]
        assert in_march[0] == in_march[1]
        assert len(in_march[0]) > 20
    assert await plant.sql.fetchval("SELECT count(*) FROM adjustment") == 0
    assert before["attendance_day"] != after["attendance_day"]
    async with open_snapshot(plant.url) as snapshot:
        for day in (date(2026, 3, 2), date(2026, 3, 4), date(2026, 3, 31), APRIL_1, date(2026, 4, 6)):
            found = await explain_stored(snapshot, "asha", day)
            assert not found.is_wrong, (day, found.differences, found.unpaid)
            homes = {fact.columns["home_site_id"] for fact in found.recorded if fact.kind == "person"}
            assert homes == {"site" if day < APRIL_1 else changes["site"]}
    # As it was, and as if it had always been so.
    await plant.tell(plant.person("asha"))
    assert await plant.tables("attendance_day", "punch", "day_explanation", without=("xmin",)) == plain


async def test_a_former_home_and_shift_change_the_days_of_their_time_only(plant: Any) -> None:
    await at_work(plant)
    terms = PersonTerms(replaced_on=date(2026, 3, 3), home_site_id="site", default_shift_id="day")
    await plant.tell(plant.person("asha", "late", "london", earlier=(terms,)))
    assert [day for day in await plant.days("asha") if day[2] == "PRESENT"] == [(DAY, "day", "PRESENT", 240)]
    rows = (await plant.tables("attendance_day"))["attendance_day"]
    assert [(row["site_id"], row["attendance_on"] < date(2026, 3, 3)) for row in rows] == [
        ("site", True) if row["attendance_on"] < date(2026, 3, 3) else ("london", False) for row in rows
    ]
    later = [row for row in rows if row["attendance_on"] > date(2026, 3, 8)]

    async def statuses() -> dict[str, str]:
        rows = (await plant.tables("attendance_day"))["attendance_day"]
        assert [row for row in rows if row["attendance_on"] > date(2026, 3, 8)] == later
        return {
            str(row["attendance_on"]): row["status"]
            for row in rows
            if row["attendance_on"] < date(2026, 3, 4)
        }

    assert await statuses() == {"2026-03-01": "WEEKLY_OFF", DAY: "PRESENT", "2026-03-03": "ABSENT"}
    # A holiday, a policy, a shift and a zone of the former home.
    await plant.tell(plant.holiday(date(2026, 3, 2), "site", "another"))
    assert (await statuses())[DAY] == "HOLIDAY"
    await plant.tell(plant.tombstone(plant.holiday(date(2026, 3, 2), "site", "another")))
    await plant.tell(plant.shift("day", 8, 12, absent_below_minutes=300))
    assert (await statuses())[DAY] == "ABSENT"
    await plant.tell(plant.shift("day", 8, 12), plant.site(zone="America/New_York"))
    assert (await statuses())[DAY] == "ABSENT"
    assert await plant.places("asha") == [("REVIEW", None)] * 6

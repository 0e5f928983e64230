from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from attendance_schemas.events import Weekday

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

"""Types of organisations: their policy holds where none is recorded; the days that a change touches."""

from datetime import date
from typing import Any

import pytest

from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import explain_stored
from attendance_projector.explain.print_explanation import days_json
from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario, write_scenario
from attendance_projector.explain.stored_scenario import scenario_of
from attendance_schemas.events import Weekday

pytestmark = pytest.mark.integration

# A Friday, a Saturday, a Sunday and a Monday.
DATES = [f"2026-03-0{day}" for day in (6, 7, 8, 9)]


@pytest.fixture
async def weekend(plant: Any) -> Any:
    """Asha comes on Friday and on Saturday, and at night, when no shift is; the clock goes on to Monday."""
    await plant.tell(
        *(plant.match("asha", f"{on}T{time}+05:30") for on in DATES[:2] for time in ("08:00", "12:00")),
        plant.match("asha", "2026-03-07T22:00+05:30"),
        plant.match("asha", "2026-03-08T01:00+05:30"),
        plant.tick("2026-03-09T23:30+05:30"),
    )
    return plant


async def statuses(plant: Any) -> list[tuple[str, str, str]]:
    return [(on, shift, status) for on, shift, status, _ in await plant.days("asha")]


async def test_a_school_is_off_on_weekends_and_waits_for_its_pupils(weekend: Any) -> None:
    punched = await statuses(weekend)
    assert punched == [(DATES[0], "day", "PRESENT"), (DATES[1], "day", "PRESENT")]
    await weekend.tell(weekend.organisation("school", default_policy_on=date(2026, 3, 6)))
    assert await statuses(weekend) == [
        (DATES[0], "day", "PRESENT"),
        (DATES[1], "day", "WEEKLY_OFF"),
        (DATES[2], "day", "WEEKLY_OFF"),
        (DATES[3], "day", "PENDING"),
    ]
    await weekend.tell(weekend.organisation())
    assert await statuses(weekend) == punched


async def test_where_a_policy_is_recorded_another_type_rewrites_nothing(weekend: Any) -> None:
    await weekend.tell(
        weekend.organisation("plant", default_policy_on=date(2026, 3, 6)),
        weekend.policy(date(2026, 3, 6), expects_attendance=True),
    )
    before = await weekend.tables("attendance_day")
    assert len(before["attendance_day"]) == len(DATES)
    await weekend.tell(weekend.organisation("school", default_policy_on=date(2026, 3, 6)))
    assert await weekend.tables("attendance_day") == before


async def test_a_type_from_a_date_on_leaves_the_days_before_it(weekend: Any) -> None:
    before = {row["attendance_on"]: row for row in (await weekend.tables("attendance_day"))["attendance_day"]}
    await weekend.tell(weekend.organisation("school", default_policy_on=date(2026, 3, 8)))
    after = {row["attendance_on"]: row for row in (await weekend.tables("attendance_day"))["attendance_day"]}
    assert {on: after[on] for on in before} == before
    assert sorted(after.keys() - before.keys()) == [date(2026, 3, 8), date(2026, 3, 9)]


async def test_an_event_has_flexible_days_since_ever_and_waits_for_nobody(weekend: Any) -> None:
    await weekend.tell(weekend.organisation("event"))
    assert await statuses(weekend) == [
        (DATES[0], "day", "PRESENT"),
        (DATES[1], "", "PRESENT"),
        (DATES[1], "day", "PRESENT"),
    ]
    explanation = await weekend.sql.fetchval("SELECT explanation FROM day_explanation WHERE shift_id = 'day'")
    assert "policy of the type event as recorded always" in explanation
    assert [place for place, _ in await weekend.places("asha")] == ["DAY"] * 6


async def test_the_type_may_come_last_and_a_site_may_have_a_policy_of_its_own(weekend: Any) -> None:
    later = weekend.policy(date(2026, 3, 9), site_id="site", weekly_offs=(Weekday.MON,))
    school = weekend.organisation("school", default_policy_on=date(2026, 3, 6))
    await weekend.tell(school)
    await weekend.tell(later)
    first = await weekend.tables("attendance_day", without=("xmin",))
    await weekend.tell(weekend.tombstone(later), weekend.organisation())
    await weekend.tell(later)
    await weekend.tell(school)
    assert await weekend.tables("attendance_day", without=("xmin",)) == first
    assert (await statuses(weekend))[-1] == (DATES[2], "day", "WEEKLY_OFF")


async def test_a_stored_day_of_a_type_is_explained_and_exported(weekend: Any) -> None:
    for organisation in (
        weekend.organisation("school", default_policy_on=date(2026, 3, 6)),
        weekend.organisation("event"),
    ):
        await weekend.tell(organisation)
        async with open_snapshot(weekend.url) as snapshot:
            for on in map(date.fromisoformat, DATES):
                found = await explain_stored(snapshot, "asha", on)
                assert found.differences == []
                content = write_scenario(scenario_of(found.facts, on, on))
                assert explain_scenario(read_scenario(content)) == days_json(found)
        texts = [fact.text(found.facts.schedule.zone) for fact in found.recorded]
        assert any(f"type {organisation.org_type}, whose policy holds" in text for text in texts)

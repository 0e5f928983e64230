"""Every change of a day is told, by what it was and what it is, and nothing else is."""

from datetime import date
from typing import Any

import msgspec
import pytest

from attendance_schemas.events import AttendanceDayChanged, DayStatus, Direction

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
ON = date(2026, 3, 2)


async def told(plant: Any) -> list[AttendanceDayChanged]:
    """Return what was told since the last call, each row as the event that it becomes."""
    rows = await plant.sql.fetch(
        "WITH gone AS (DELETE FROM outbox RETURNING *) SELECT * FROM gone ORDER BY id"
    )
    events = [msgspec.json.decode(row["payload"], type=AttendanceDayChanged) for row in rows]
    for row, event in zip(rows, events, strict=True):
        assert (row["topic"], row["key"], row["event_type"]) == (
            "attendance.changes",
            f"{event.org_id}:{event.person_id}",
            "AttendanceDayChanged",
        )
        assert row["id"] == event.revision
    return events


def summary(event: AttendanceDayChanged) -> tuple[Any, ...]:
    return tuple(
        [
            str(event.change),
            *(state and (str(state.status), state.worked_minutes) for state in (event.previous, event.day)),
        ]
    )


async def test_a_day_is_told_from_its_first_punch_to_its_end(plant: Any) -> None:
    first, last = plant.match("asha", f"{DAY}T08:00+05:30"), plant.match("asha", f"{DAY}T12:00+05:30")
    await plant.tell(first)
    (created,) = await told(plant)
    assert summary(created) == ("CREATED", None, ("INCOMPLETE", 0))
    assert (created.org_id, created.person_id, created.attendance_on, created.shift_id) == (
        "org",
        "asha",
        ON,
        "day",
    )
    assert created.day is not None
    assert (created.day.site_id, created.day.missing, created.day.punch_count) == ("site", Direction.OUT, 1)
    assert created.day.first_in_at == created.day.open_since == first.occurred_at
    await plant.tell(last)
    (updated,) = await told(plant)
    assert summary(updated) == ("UPDATED", ("INCOMPLETE", 0), ("PRESENT", 240))
    assert updated.previous == created.day
    assert updated.day is not None
    assert (updated.day.last_out_at, updated.day.open_since, updated.day.missing) == (
        last.occurred_at,
        None,
        None,
    )
    assert updated.revision > created.revision
    await plant.tell(plant.void("asha", first), plant.void("asha", last))
    (removed,) = await told(plant)
    assert summary(removed) == ("REMOVED", ("PRESENT", 240), None)
    assert removed.previous == updated.day
    assert len({created.event_id, updated.event_id, removed.event_id}) == 3


async def test_what_leaves_the_told_fields_as_they_were_is_not_told(plant: Any) -> None:
    punches = [plant.match("asha", f"{DAY}T08:00+05:30"), plant.match("asha", f"{DAY}T12:00+05:30")]
    records = await plant.tell(*punches)
    await told(plant)
    await plant.projector.apply(records)  # again
    # A repeat within the debounce: another explanation, the same day.
    await plant.tell(
        plant.match("asha", f"{DAY}T08:00:20+05:30"), plant.person("asha", display_name="Asha R.")
    )
    assert "debounce" in await plant.sql.fetchval("SELECT explanation::text FROM day_explanation")
    assert await told(plant) == []


async def test_many_days_are_told_with_their_batch_and_not_without(plant: Any) -> None:
    await plant.tell(plant.person("binod"))
    await plant.tell(
        *(
            plant.match(person, f"2026-03-{number:02}T{hour:02}:00+05:30")
            for person in ("asha", "binod")
            for number in range(1, 11)
            for hour in (8, 12)
        )
    )
    created = await told(plant)
    assert len(created) == 20
    assert {summary(each) for each in created} == {("CREATED", None, ("PRESENT", 240))}
    # A directory fact, months back: exactly the days that come out otherwise.
    await plant.tell(plant.holiday(date(2026, 3, 5)))
    changed = await told(plant)
    assert {(each.person_id, each.attendance_on, summary(each)) for each in changed} == {
        (person, date(2026, 3, 5), ("UPDATED", ("PRESENT", 240), ("HOLIDAY", 0)))
        for person in ("asha", "binod")
    }
    await plant.tell(plant.override("asha", ON, DayStatus.ABSENT))
    assert [summary(each) for each in await told(plant)] == [("UPDATED", ("PRESENT", 240), ("ABSENT", 0))]

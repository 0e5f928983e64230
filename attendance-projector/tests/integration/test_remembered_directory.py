"""A projector remembers people between transactions, and never longer than they stay as they are."""

from datetime import date
from typing import Any

import pytest

from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.projection.stored import PersonKey
from attendance_schemas.events import Outcome

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
ASHA = PersonKey("org", "asha")


async def test_what_another_projector_changes_is_not_remembered(plant: Any) -> None:
    async with open_read_model(plant.writer_url) as other:
        remembering = plant.projector_on(other)
        await remembering.apply([plant.record(plant.match("asha", f"{DAY}T08:00+05:30"))])
        await plant.tell(plant.shift("day", 7, 12, late_grace_minutes=0))
        await remembering.apply([plant.record(plant.match("asha", f"{DAY}T12:00+05:30"))])
    (day,) = (await plant.tables("attendance_day"))["attendance_day"]
    assert (day["late"], day["late_minutes"], day["worked_minutes"]) == (True, 60, 240)


async def test_people_are_asked_for_once_while_nothing_changes(plant: Any) -> None:
    async with open_read_model(plant.writer_url) as other:
        remembering = plant.projector_on(other)
        for hour in (8, 9):
            await remembering.apply([plant.record(plant.match("asha", f"{DAY}T{hour:02}:00+05:30"))])
            remembered = dict(other._memory.people)
        await remembering.apply([plant.record(plant.match("asha", f"{DAY}T10:00+05:30"))])
    assert other._memory.people[ASHA] is remembered[ASHA]
    assert other._memory.version == await plant.sql.fetchval("SELECT last_value FROM directory_version")


@pytest.mark.parametrize("fact", ["holiday", "leave", "leave taken back", "policy"])
async def test_every_fact_that_plans_people_is_noticed(plant: Any, fact: str) -> None:
    leave = plant.leave("asha", date(2026, 3, 2))
    if fact == "leave taken back":
        await plant.tell(leave)
    told = {
        "holiday": plant.holiday(date(2026, 3, 2)),
        "leave": leave,
        "leave taken back": plant.tombstone(leave),
        "policy": plant.policy(date(2026, 3, 1), expects_attendance=True),
    }
    async with open_read_model(plant.writer_url) as other:
        remembering = plant.projector_on(other)
        await remembering.apply([plant.record(plant.match("asha", f"{DAY}T08:00+05:30"))])
        before = other._memory.people[ASHA]
        await plant.tell(told[fact])
        await remembering.apply([plant.record(plant.match("asha", f"{DAY}T12:00+05:30"))])
        after = other._memory.people[ASHA]
    assert after is not before
    assert after.schedule != before.schedule


async def test_people_stay_remembered_when_time_passes_and_what_it_decides_does_not(plant: Any) -> None:
    await plant.tell(plant.policy(expects_attendance=True), plant.device("kiosk"))
    match = plant.match("asha", f"{DAY}T08:00+05:30")
    async with open_read_model(plant.writer_url) as other:
        remembering = plant.projector_on(other)
        await remembering.apply([plant.record(match)])
        before = other._memory.people[ASHA]
        # Another projector hears that the window has closed, and that the kiosk has reported past it.
        await plant.tell(plant.match(None, f"{DAY}T14:00+05:30", outcome=Outcome.NO_FACE))
        await plant.tell(plant.tick(f"{DAY}T15:00+05:30"))
        await remembering.apply([plant.record(plant.void("asha", match))])
        assert other._memory.people[ASHA] is before
    day = (await plant.whole_days())[-1]
    assert (str(day["attendance_on"]), day["status"], day["absence"]) == (DAY, "ABSENT", "REPORTED")


async def test_a_change_that_was_rolled_back_forgets_too_much_and_nothing_else(plant: Any) -> None:
    await plant.tell(plant.match("asha", f"{DAY}T08:00+05:30"))

    async def change_and_fail(transaction: Any) -> None:
        await transaction.positions.join_everyone({"org"}, alone={"org"})
        await transaction.positions.change_directory()
        await transaction.directory.store([plant.person("asha", shift=None)])
        await transaction.positions.lock_people([ASHA])
        assert (await transaction.directory.people([ASHA]))[ASHA].terms.now.default_shift_id is None
        raise LookupError

    with pytest.raises(LookupError):
        await plant.read_model.in_transaction(change_and_fail)
    await plant.tell(plant.match("asha", f"{DAY}T12:00+05:30"))
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]

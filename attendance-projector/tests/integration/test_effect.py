"""What a trial says that facts would change is what they change then, and it changes nothing itself."""

import os
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from attendance_projector.effect.adapters.postgres_trial import open_trial_tables
from attendance_projector.effect.tell_effect import changed_days, tell_effect
from attendance_projector.projection.adapters.postgres_read_model import LOCK_TIMEOUT
from attendance_schemas.events import AttendanceDayChanged, Event
from attendance_testing.projector.stored_months import CLOCK_AT, month_of

pytestmark = pytest.mark.integration

PLANS = int(os.environ.get("EFFECT_PLANS", "20"))
PEOPLE, LARGEST_PLAN = 3, 30


async def told(plant: Any) -> list[AttendanceDayChanged]:
    rows = await plant.sql.fetch(
        "WITH gone AS (DELETE FROM outbox RETURNING *) SELECT * FROM gone ORDER BY id"
    )
    return [msgspec.json.decode(row["payload"], type=AttendanceDayChanged) for row in rows]


async def trial(plant: Any, events: Sequence[Event]) -> Any:
    async with open_trial_tables(plant.writer_url, LOCK_TIMEOUT) as tables:
        # A replay's records have places of their own; those of a trial are never looked at.
        return await tell_effect(tables, plant.events, [plant.record(each, partition=9) for each in events])


async def test_predicted_days_are_the_days_that_change(plant: Any) -> None:
    chance, some_changed = random.Random(5), 0
    for number in range(PLANS):
        months = [month_of(plant, number * PEOPLE + each) for each in range(PEOPLE)]
        facts = [fact for month in months for of_key in month.facts.values() for fact in of_key]
        directory = [fact for fact in facts if "Recorded" in type(fact).__name__]
        others = [fact for fact in facts if "Recorded" not in type(fact).__name__]
        chance.shuffle(others)
        known = others[: chance.randrange(len(others) + 1)]
        await plant.tell(*directory, *known, plant.tick(CLOCK_AT.isoformat()))
        await told(plant)
        planned = chance.sample(others, min(len(others), chance.randrange(1, LARGEST_PLAN)))
        before = await plant.tables()
        predicted = await trial(plant, planned)
        assert await plant.tables() == before
        for start in range(0, len(planned), 7):
            await plant.tell(*planned[start : start + 7])
        assert predicted.changed == changed_days(await told(plant)), number
        some_changed += bool(predicted.changed)
    assert some_changed > PLANS / 2


async def test_what_was_applied_before_changes_nothing(plant: Any) -> None:
    match = plant.match("asha", "2026-03-02T08:00+05:30")
    first = await trial(plant, [match])
    assert [(each.person_id, each.change) for each in first.changed] == [("asha", "CREATED")]
    await plant.tell(match)
    again = await trial(plant, [match])
    assert (again.changed, again.without_effect) == ([], 1)
    assert (await trial(plant, [])).changed == []

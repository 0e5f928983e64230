"""The tables are a function of the facts: whatever order, batches and repetitions they come in."""

import os
import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attendance_schemas.events import Event, MatchDecided, PunchSubmitted

sys.path.insert(0, str(Path(__file__).parent))
from stored_months import CLOCK_AT, Month, month_of, stored_day

pytestmark = pytest.mark.integration

PEOPLE = 8
ROUNDS = int(os.environ.get("STORED_ROUNDS", "4"))
LARGEST_BATCH = 40


async def told(plant: Any, months: list[Month], chance: random.Random) -> None:
    """Tell all facts in batches by chance: each key's in order, some of the punches twice."""
    left = [list(facts) for month in months for facts in month.facts.values()]
    punches: list[Event] = []
    while left:
        batch: list[Event] = []
        for _ in range(chance.randrange(1, LARGEST_BATCH)):
            if not left:
                break
            number = chance.randrange(len(left))
            batch.append(left[number].pop(0))
            if not left[number]:
                del left[number]
        punches += [event for event in batch if isinstance(event, MatchDecided | PunchSubmitted)]
        batch += chance.sample(punches, min(len(punches), 2))
        await plant.tell(*batch)


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_the_tables_say_what_the_rules_say_in_any_order(plant: Any, round_number: int) -> None:
    months = [month_of(plant, round_number * PEOPLE + number) for number in range(PEOPLE)]
    ticks = [CLOCK_AT - timedelta(days=days) for days in (200, 20, 9, 1)]
    months[0].facts["ticks"] = [plant.tick(at.isoformat()) for at in ticks]
    await told(plant, months, random.Random(round_number))
    await plant.tell(plant.tick(CLOCK_AT.isoformat()))
    for month in months:
        rows = await plant.sql.fetch("SELECT * FROM attendance_day WHERE person_id = $1", month.person)
        punches = await plant.sql.fetch("SELECT * FROM punch WHERE person_id = $1", month.person)
        days, unscheduled = month.expected()
        assert sorted(map(stored_day, rows)) == days, month.person
        on_no_day = sorted(str(punch["punch_id"]) for punch in punches if punch["placement"] == "REVIEW")
        assert on_no_day == unscheduled, month.person
        added = sum(correction["kind"] == "add" for correction in month.scenario["corrections"])
        assert len(punches) == len(month.scenario["punches"]) + added

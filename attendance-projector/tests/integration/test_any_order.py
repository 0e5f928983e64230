"""The tables are a function of the facts: whatever order, batches and repetitions they come in."""

import os
import random
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.backlog.put_off import PEOPLE_AT_ONCE, compute_or_put_off
from attendance_projector.projection.backlog.work_off import work_off
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_testing.projector.stored_months import CLOCK_AT, month_of, stored_day, told

pytestmark = pytest.mark.integration

PEOPLE = 8
ROUNDS = int(os.environ.get("STORED_ROUNDS", "4"))


@pytest.mark.parametrize("people_at_once", [PEOPLE_AT_ONCE, 0], ids=["at once", "from the backlog"])
@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_the_tables_say_what_the_rules_say_in_any_order(
    plant: Any, round_number: int, people_at_once: int
) -> None:
    recompute = partial(compute_or_put_off, people_at_once=people_at_once)
    metrics = ProjectorMetrics(CollectorRegistry())
    plant.projector = ApplyRecords(plant.events, plant.read_model, metrics, recompute=recompute)
    months = [month_of(plant, round_number * PEOPLE + number) for number in range(PEOPLE)]
    ticks = [CLOCK_AT - timedelta(days=days) for days in (200, 20, 9, 1)]
    months[0].facts["ticks"] = [plant.tick(at.isoformat()) for at in ticks]
    work = partial(plant.read_model.in_transaction, partial(work_off, people=2, dates=5))
    await told(plant, months, random.Random(round_number), work)
    await plant.tell(plant.tick(CLOCK_AT.isoformat()))
    while not (await plant.read_model.in_transaction(work_off)).is_idle:
        assert people_at_once == 0
    for month in months:
        rows = await plant.sql.fetch("SELECT * FROM attendance_day WHERE person_id = $1", month.person)
        punches = await plant.sql.fetch("SELECT * FROM punch WHERE person_id = $1", month.person)
        days, unscheduled = month.expected()
        assert sorted(map(stored_day, rows)) == days, month.person
        on_no_day = sorted(str(punch["punch_id"]) for punch in punches if punch["placement"] == "REVIEW")
        assert on_no_day == unscheduled, month.person
        added = sum(correction["kind"] == "add" for correction in month.scenario["corrections"])
        assert len(punches) == len(month.scenario["punches"]) + added

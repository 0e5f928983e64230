import random
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.store.migrate import migrate
from attendance_schemas.events import Event, Outcome, PersonTerms, Weekday
from local_stack.for_tests.databases import CloneTemplate

pytestmark = pytest.mark.integration

PEOPLE = ("asha", "binod", "chandra", "nobody-recorded")


def history(plant: Any, chance: random.Random) -> dict[tuple[str, int], list[Event]]:
    """Return facts by partition, in the order of each partition."""
    directory: dict[int, list[Event]] = {0: [], 1: [], 2: []}
    directory[0] += [plant.site(), plant.site(site_id="ny", zone="Asia/Tokyo")]
    directory[0].append(plant.site(site_id="ny", zone="America/New_York"))
    types = chance.sample(["company", "school", "event"], 2)
    directory[0] += [plant.organisation(each, default_policy_on=date(2026, 3, 5)) for each in types]
    for name in PEOPLE[:3]:
        directory[1].append(plant.person(name, chance.choice([None, "day"]), site="not-yet"))
        moved_on = date(2026, 3, 1) + timedelta(days=chance.randrange(14))
        terms = PersonTerms(
            replaced_on=moved_on, home_site_id=chance.choice(["site", "ny"]), default_shift_id="night"
        )
        directory[1].append(
            plant.person(
                name,
                chance.choice([None, "day", "night"]),
                chance.choice(["site", "ny"]),
                earlier=chance.choice([(), (terms,)]),
            )
        )
    directory[2] += [plant.shift("day", 8, 17), plant.shift("night", 22, 6)]
    directory[2].append(plant.shift("day", 9, 17, date(2026, 3, 8), late_grace_minutes=5))
    directory[2].append(plant.shift("night", 21, 6, window_before_minutes=300))
    for number in range(3):
        starts_on = date(2026, 3, 1) + timedelta(days=chance.randrange(14))
        ends_on = chance.choice([None, starts_on + timedelta(days=chance.randrange(7))])
        weekdays = tuple(chance.sample(list(Weekday), chance.randrange(8)))
        directory[number].append(
            plant.roster(
                chance.choice(PEOPLE),
                chance.choice(["day", "night"]),
                starts_on,
                ends_on,
                roster_id=f"r{number}",
                weekdays=weekdays,
            )
        )
    facts = {("attendance.directory", number): events for number, events in directory.items()}
    facts |= {("attendance.matches", number): [] for number in range(3)}
    for number in range(80):
        at = datetime(2026, 3, 1) + timedelta(minutes=chance.randrange(60 * 24 * 16))  # noqa: DTZ001
        capture_id = UUID(int=number)
        # In any order, and one of them perhaps decided twice, with another gallery.
        rounds = [*range(chance.choice([1, 1, 1, 2, 3])), *chance.choice([[], [], [0], [1]])]
        chance.shuffle(rounds)
        for decision_round in rounds:
            person = chance.choice([*PEOPLE, None])
            outcome = Outcome.IDENTIFIED if person else Outcome.UNKNOWN
            facts["attendance.matches", number % 3].append(
                plant.match(person, f"{at.isoformat()}Z", capture_id, outcome, decision_round=decision_round)
            )
    return facts


async def played(plant: Any, facts: dict[tuple[str, int], list[Event]], chance: random.Random) -> None:
    """Apply the facts in batches that take from the partitions by chance, each partition in order."""
    left = {partition: list(events) for partition, events in facts.items()}
    while any(left.values()):
        batch = []
        for _ in range(chance.randrange(1, 20)):
            open_partitions = [partition for partition, events in left.items() if events]
            if open_partitions:
                topic, number = chance.choice(open_partitions)
                batch.append(plant.record(left[topic, number].pop(0), topic, number))
        await plant.projector.apply(batch)


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_in_another_order_gives_equal_tables(
    plant: Any, template_database: CloneTemplate, seed: int
) -> None:
    tables = (
        "organisation",
        "person",
        "site",
        "shift",
        "roster",
        "capture",
        "punch",
        "attendance_day",
        "day_explanation",
        "open_day",
        "unsettled_day",
        "consumed_position",
    )
    without = ("xmin", "projected_at")
    chance = random.Random(seed)
    facts = history(plant, chance)
    results = []
    for _ in range(2):
        async with (
            template_database("projector", migrate) as empty,
            open_read_model(empty.writer_url) as read_model,
        ):
            sql = await asyncpg.connect(empty.url, server_settings={"search_path": "attendance"})
            try:
                again = type(plant)(read_model, empty, sql)
                await played(again, facts, chance)
                results.append(await again.tables(*tables, without=without))
            finally:
                await sql.close()
    first, second = results
    assert first == second
    assert any(row["placement"] == "DAY" for row in first["punch"])
    placed = {
        (row["person_id"], row["placed_on"], row["placed_shift_id"])
        for row in first["punch"]
        if row["placed_on"]
    }
    days = {(row["person_id"], row["attendance_on"], row["shift_id"]) for row in first["attendance_day"]}
    assert placed == days

"""Locked periods in the tables: the days stay, differences are adjustments, and all of it comes again."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.store.migrate import migrate
from attendance_schemas.events import DaysLocked, DayStatus, Event, PeriodSealed
from local_stack.for_tests.databases import CloneTemplate

pytestmark = pytest.mark.integration

MARCH, APRIL = (date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 4, 1), date(2026, 4, 30))
ON = "2026-03-10"
IN, OUT, LATE = (f"{ON}T{time}+05:30" for time in ("08:00", "11:30", "12:00"))
STOOD = [(ON, "day", "PRESENT", 210)]
FACTS = (
    "attendance_day",
    "day_explanation",
    "adjustment",
    "period_lock",
    "locked_person",
    "locked_day",
    "locked_adjustment",
)


async def adjustments(plant: Any, person: str = "asha") -> list[tuple[Any, ...]]:
    rows = await plant.sql.fetch("SELECT * FROM adjustment WHERE person_id = $1 ORDER BY 3, 4, 5", person)
    return [
        (
            *(str(row["attendance_on"]), str(row["booked_on"]), row["status_from"], row["status_to"]),
            *(row["worked_minutes"], row["settled_by"] is not None),
        )
        for row in rows
    ]


async def stored(plant: Any, *names: str) -> dict[str, list[dict[str, Any]]]:
    return dict(await plant.tables(*(names or FACTS), without=("xmin",)))


async def test_a_locked_day_stays_and_the_difference_is_an_adjustment(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    lock = await plant.close(*MARCH)
    before = await plant.tables("attendance_day")
    assert await adjustments(plant) == []
    late = plant.match("asha", LATE)
    await plant.tell(late)
    assert await plant.tables("attendance_day") == before
    assert await adjustments(plant) == [(ON, "2026-04-01", "PRESENT", "PRESENT", 30, False)]
    (row,) = (await plant.tables("adjustment"))["adjustment"]
    assert "was closed by hr-1" in row["explanation"]
    assert "worked +0 h 30 min; booked on 2026-04-01" in row["explanation"]
    # Late, again, differently, and taken back.
    await plant.tell(plant.override("asha", date(2026, 3, 10), DayStatus.LEAVE))
    assert await adjustments(plant) == [(ON, "2026-04-01", "PRESENT", "LEAVE", -210, False)]
    override = (await plant.tables("correction"))["correction"][0]["correction_id"]
    await plant.tell(plant.void("asha", override), plant.void("asha", late))
    assert (await adjustments(plant), await plant.tables("attendance_day")) == ([], before)
    # A fact of an open date makes no difference to the period, nor does one of somebody else.
    await plant.tell(plant.match("asha", "2026-04-01T08:00+05:30"), plant.match("binod", IN))
    assert await plant.days("asha") == [*STOOD, ("2026-04-01", "day", "INCOMPLETE", 0)]
    assert str(lock.lock_id) in str((await plant.tables("period_lock"))["period_lock"])


async def test_a_reopened_period_is_as_never_locked(plant: Any) -> None:
    facts = [plant.match("asha", IN), plant.match("asha", OUT)]
    middle, late = plant.match("asha", f"{ON}T10:00+05:30"), plant.match("asha", LATE)
    await plant.tell(*facts, middle, late)
    never = await plant.tables("attendance_day", without=("xmin",))
    await plant.tell(plant.void("asha", late), plant.void("asha", middle))
    lock = await plant.close(*MARCH)
    for row in (await plant.tables("correction"))["correction"]:
        await plant.tell(plant.void("asha", row["correction_id"]))
    assert await adjustments(plant) == [(ON, "2026-04-01", "PRESENT", "PRESENT", 30, False)]
    assert await plant.days("asha") == STOOD
    await plant.tell(plant.reopening(lock))
    assert await adjustments(plant) == []
    assert await plant.tables("attendance_day", without=("xmin",)) == never
    (row,) = (await plant.tables("period_lock"))["period_lock"]
    assert (row["in_force"], row["reopened_by"], row["reopened_because"]) == (False, "hr-1", "asked")
    # For ever: what was recorded comes again and changes nothing.
    again = plant.reopening(lock)
    await plant.tell(lock, again)
    (refused,) = (await plant.tables("refused_fact"))["refused_fact"]
    assert (refused["fact_id"], refused["reason"]) == (str(again.reopening_id), "already-reopened")
    (row,) = (await plant.tables("period_lock"))["period_lock"]
    await plant.tell(msgspec.structs.replace(again, reopening_id=row["reopening_id"]))
    assert len((await plant.tables("refused_fact"))["refused_fact"]) == 1
    assert await plant.outbox() == []
    assert await plant.tables("attendance_day", without=("xmin",)) == never


async def test_the_next_lock_settles_what_was_booked_in_its_period(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    march = await plant.close(*MARCH)
    await plant.tell(plant.match("asha", LATE))
    april = await plant.close(*APRIL)
    settled = (ON, "2026-04-01", "PRESENT", "PRESENT", 30, True)
    assert await adjustments(plant) == [settled]
    await plant.tell(plant.match("asha", f"{ON}T12:30+05:30"))
    assert await adjustments(plant) == [settled, (ON, "2026-05-01", "PRESENT", "PRESENT", 30, False)]
    assert await plant.days("asha") == STOOD
    # Reopened, the day is as the rules say; what was paid with April is taken back in the open.
    await plant.tell(plant.reopening(march))
    assert await plant.days("asha") == [(ON, "day", "PRESENT", 270)]
    assert await adjustments(plant) == [(ON, ON, "PRESENT", "PRESENT", -30, False), settled]
    await plant.tell(plant.reopening(april))
    assert await adjustments(plant) == []


async def test_who_is_covered(plant: Any) -> None:
    await plant.tell(plant.site(site_id="delhi"), plant.person("binod", site="delhi"))
    await plant.close(*MARCH, "site")
    await plant.tell(plant.match("asha", IN), plant.match("binod", IN), plant.person("chandra"))
    assert (await plant.days("asha"), await plant.days("binod")) == ([], [(ON, "day", "INCOMPLETE", 0)])
    assert await adjustments(plant) == [(ON, "2026-04-01", None, "INCOMPLETE", 0, False)]
    # Whoever comes later is not of the lock of a site, but of one of the organisation.
    await plant.tell(plant.match("chandra", IN), plant.person("binod", site="site"))
    assert [await plant.days(each) for each in ("chandra", "binod")] == [[(ON, "day", "INCOMPLETE", 0)]] * 2
    await plant.close(*MARCH)
    await plant.tell(plant.person("divya"), plant.match("divya", IN), plant.match("chandra", OUT))
    assert await plant.days("divya") == []
    assert await adjustments(plant, "divya") == [(ON, "2026-04-01", None, "INCOMPLETE", 0, False)]
    assert await plant.days("chandra") == [(ON, "day", "INCOMPLETE", 0)]
    assert await adjustments(plant, "chandra") == [(ON, "2026-04-01", "INCOMPLETE", "PRESENT", 210, False)]


async def test_time_goes_on_in_a_locked_period(plant: Any) -> None:
    await plant.tell(plant.policy(date(2026, 3, 30), expects_attendance=True), plant.device("gate"))
    await plant.tell(plant.tick("2026-03-31T12:00+05:30"))
    await plant.close(*MARCH)
    pending = [("2026-03-30", "day", "ABSENT", 0), ("2026-03-31", "day", "PENDING", 0)]
    pending[0] = ("2026-03-30", "day", "PENDING", 0)
    assert await plant.days("asha") == pending
    # Expected of nobody when it was locked: only the adjustment tells.
    await plant.tell(plant.shift("more", 14, 16), plant.roster("asha", "more", date(2026, 3, 31)))
    await plant.tell(plant.tick("2026-04-02T12:00+05:30"))
    days = [day for day in await plant.days("asha") if day[0] < "2026-04-01"]
    assert days == pending
    assert await adjustments(plant) == [
        ("2026-03-30", "2026-04-01", "PENDING", "ABSENT", 0, False),
        ("2026-03-31", "2026-04-01", "PENDING", None, 0, False),
        ("2026-03-31", "2026-04-01", None, "ABSENT", 0, False),
    ]
    # Decided for ever: the next tick has nothing to do there.
    before = await plant.tables("attendance_day", "adjustment")
    await plant.tell(plant.tick("2026-04-02T12:05+05:30"))
    assert await plant.tables("attendance_day", "adjustment") == before


async def test_a_lock_is_in_force_once_all_of_it_came_back(plant: Any) -> None:
    await plant.tell(plant.person("binod"), plant.match("asha", IN), plant.match("asha", OUT))
    await plant.tell(plant.lock(*MARCH))
    *days, seal = await plant.outbox()
    assert [type(each) for each in days] == [DaysLocked, DaysLocked]
    assert isinstance(seal, PeriodSealed)
    late = plant.match("asha", LATE)
    await plant.tell(late, seal, days[0])
    assert await plant.days("asha") == [(ON, "day", "PRESENT", 240)]
    await plant.outbox("attendance.changes")
    await plant.tell(days[1])
    assert (await plant.days("asha"), len(await adjustments(plant))) == (STOOD, 1)
    (told,) = await plant.outbox("attendance.changes")
    assert (told.previous.worked_minutes, told.day.worked_minutes) == (240, 210)
    # Another sealing, as of a database that was lost, and the same again: the first one counts.
    other = uuid4()
    await plant.tell(
        *(msgspec.structs.replace(each, sealing_id=other, days=()) for each in days),
        msgspec.structs.replace(seal, sealing_id=other),
        *days,
        seal,
    )
    assert (await plant.days("asha"), len(await adjustments(plant))) == (STOOD, 1)


async def test_two_projectors_share_what_a_lock_recorded(plant: Any) -> None:
    names = [f"p-{number}" for number in range(12)]
    await plant.tell(*map(plant.person, names), *(plant.match(name, IN) for name in names))
    await plant.tell(plant.lock(*MARCH))
    *days, seal = await plant.outbox()
    late = [plant.match(name, LATE) for name in names]
    async with open_read_model(plant.writer_url) as other:
        # Each has partitions of its own; the last of all batches finds the lock complete, whosever it is.
        batches = [
            (plant.projector if number % 2 else plant.projector_on(other), number, days[number::4])
            for number in range(4)
        ]
        await asyncio.gather(
            *(
                projector.apply([plant.record(each, "attendance.locked-days", number) for each in part])
                for projector, number, part in batches
            ),
            plant.projector.apply([plant.record(seal, "attendance.locked-days", 4)]),
            plant.projector_on(other).apply([plant.record(each) for each in late]),
        )
    (row,) = (await plant.tables("period_lock"))["period_lock"]
    assert (row["in_force"], row["person_count"]) == (True, 13)
    for name in names:
        assert await plant.days(name) == [(ON, "day", "INCOMPLETE", 0)]
        assert await adjustments(plant, name) == [(ON, "2026-04-01", "INCOMPLETE", "PRESENT", 240, False)]


async def test_another_content_of_a_lock_is_refused(plant: Any) -> None:
    lock = plant.lock(*MARCH)
    await plant.tell(lock, lock)
    await plant.tell(msgspec.structs.replace(lock, ends_on=date(2026, 3, 30)))
    assert await plant.refusals() == [("PeriodLocked", str(lock.lock_id), "second-content")]


def facts_of(plant: Any, chance: random.Random) -> list[Event]:
    """Return punches, corrections and directory facts of some people, in February to April."""
    people = ("asha", "binod", "chandra")
    facts: list[Event] = [plant.person(name) for name in people]
    facts += [plant.policy(date(2026, 3, 20), expects_attendance=True)]
    facts += [plant.leave("binod", date(2026, 3, 24), date(2026, 4, 2))]
    facts += [plant.roster("chandra", "noon", date(2026, 3, 12)), plant.shift("noon", 13, 17)]
    for number in range(60):
        on = date(2026, 2, 25) + timedelta(days=chance.randrange(45))
        at = f"{on}T{chance.randrange(7, 18):02}:{chance.randrange(60):02}+05:30"
        person = chance.choice(people)
        facts.append(plant.match(person, at) if number % 6 else plant.addition(person, at))
    facts += [plant.override("asha", date(2026, 3, 17), DayStatus.LEAVE)]
    return facts


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_gives_the_same_tables(
    plant: Any, template_database: CloneTemplate, seed: int
) -> None:
    chance = random.Random(seed)
    facts = facts_of(plant, chance)
    chance.shuffle(facts)
    log: list[Event] = [plant.site(), plant.shift("day", 8, 12)]

    async def tell(*events: Event) -> None:
        log.extend(events)
        await plant.tell(*events)

    # Live: the projector itself records what it locks, while facts keep coming, also between lock and seal.
    for number, (period, site) in enumerate(((MARCH, None), (MARCH, "site"), (APRIL, None))):
        await tell(*facts[: len(facts) // 4])
        del facts[: len(facts) // 4]
        lock = plant.lock(*period, site)
        await tell(lock)
        await tell(*facts[:4])
        del facts[:4]
        await tell(*await plant.outbox())
        if number == seed:
            await tell(plant.reopening(lock))
    await tell(*facts, plant.tick("2026-05-20T00:00+00:00"))
    expected = await stored(plant)
    assert expected["adjustment"]
    for _ in range(2):
        async with AsyncExitStack() as stack:
            empty = await stack.enter_async_context(template_database("projector", migrate))
            read_model = await stack.enter_async_context(open_read_model(empty.writer_url))
            sql = await asyncpg.connect(empty.url, server_settings={"search_path": "attendance"})
            stack.push_async_callback(sql.close, timeout=5)
            again = type(plant)(read_model, empty, sql)
            *shuffled, tick = log
            chance.shuffle(shuffled)
            while shuffled:
                size = chance.randrange(1, 30)
                await again.tell(*shuffled[:size])
                del shuffled[:size]
            await again.tell(tick)
            # Whatever this one would have recorded comes second.
            await again.tell(*await again.outbox())
            assert without_later_sealings(await stored(again), expected) == expected


def without_later_sealings(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was recorded anew and does not count."""
    first = {row["sealing_id"] for row in expected["period_lock"]}
    assert {row["sealing_id"] for row in found["period_lock"]} == first
    return {
        name: [row for row in rows if row.get("sealing_id") in first or "sealing_id" not in row]
        for name, rows in found.items()
    }

"""A fact about many people: nobody waits for it, nothing of it is forgotten, and nothing stale is sealed."""

import asyncio
from datetime import date
from functools import partial
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.errors import RetentionRefused
from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import explain_stored
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.projection.backlog.put_off import PEOPLE_AT_ONCE
from attendance_projector.projection.backlog.run import work_off_backlog
from attendance_projector.projection.backlog.work_off import DATES_PER_PART, work_off
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import drop_months
from attendance_projector.store.sql import statements
from attendance_schemas.events import AttendanceDayChanged, DaysLocked, PeriodSealed
from attendance_testing.polling import eventually
from service_kit.errors import TransientFailure

pytestmark = pytest.mark.integration

MANY = PEOPLE_AT_ONCE + 10
DAYS = [f"2026-03-{number:02}" for number in range(2, 12)]
CHANGES = "attendance.changes"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
SPANS = "SELECT * FROM stale_span ORDER BY number"
STALE = "SELECT count(*) FROM stale_span"


async def worked(plant: Any, org: str = "org", days: list[str] = DAYS) -> list[str]:
    """Record many people who worked from 09:30 to 12:00 on ten days; return their ids."""
    people = [f"p{number:03}" for number in range(MANY)]
    fields = {"org_id": org}
    await plant.tell(*(changed(plant.person(each), **fields) for each in people))
    await drained(plant)
    punches = [
        changed(plant.match(person, f"{day}T{at}+05:30"), **fields)
        for person in people
        for day in days
        for at in ("09:30", "12:00")
    ]
    await plant.tell(*punches)
    return people


def changed(event: Any, **fields: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(event, **fields)


async def drained(plant: Any) -> int:
    """Work the backlog off; return in how many transactions."""
    parts = 0
    while not (await plant.read_model.in_transaction(work_off)).is_idle:
        parts += 1
    return parts


async def late_days(plant: Any) -> int:
    return int(await plant.sql.fetchval("SELECT count(*) FROM attendance_day WHERE late"))


def stricter(plant: Any) -> Any:
    return plant.shift("day", 8, 12, late_grace_minutes=0)


async def test_a_shift_of_many_people_waits_and_is_worked_off_in_bounded_parts(plant: Any) -> None:
    people = await worked(plant)
    await plant.outbox(CHANGES)
    await plant.tell(stricter(plant))
    assert await late_days(plant) == 0
    assert await plant.sql.fetchval(STALE) == MANY + 1  # with Asha, who has no day
    parts = await drained(plant)
    assert await late_days(plant) == MANY * len(DAYS)
    assert await plant.sql.fetchval(STALE) == 0
    assert parts >= 2
    told = await plant.outbox(CHANGES)
    assert all(isinstance(each, AttendanceDayChanged) for each in told)
    assert sorted((each.person_id, str(each.attendance_on)) for each in told) == [
        (person, day) for person in people for day in DAYS
    ]


async def test_many_years_of_few_people_wait_as_many_people_do(plant: Any) -> None:
    await plant.tell(*(plant.person(each) for each in ("p1", "p2")), plant.tick("2026-03-02T12:00+05:30"))
    await plant.tell(plant.policy(date(2020, 1, 1), expects_attendance=True))
    days = "SELECT count(*) FROM attendance_day"
    known = await plant.sql.fetchval(days)
    # They should have come for six years; and then an hour less.
    for ends_at in (12, 11):
        assert await plant.sql.fetchval(STALE) == 0
        await plant.tell(plant.shift("day", 9, ends_at, date(2020, 1, 1)))
        assert await plant.sql.fetchval(STALE) > 0
        assert await plant.sql.fetchval(days) == known
        assert await drained(plant) > known / DATES_PER_PART
        known = await plant.sql.fetchval(days)
        assert known > 2 * 6 * 250
    absences = "SELECT count(*) FROM attendance_day WHERE status = 'ABSENT'"
    assert await plant.sql.fetchval(absences) > 2 * 6 * 250


async def test_what_waits_is_in_the_end_what_computing_at_once_gives(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant), plant.holiday(date(2026, 3, 4)), plant.site(zone="Asia/Colombo"))
    await drained(plant)
    waited = await plant.tables("attendance_day", "punch", without=("xmin",))
    late = await late_days(plant)
    # Every day once more, by one person at a time:
    people = await plant.sql.fetch("SELECT person_id FROM person ORDER BY person_id")
    for row in people:
        await plant.tell(plant.person(row["person_id"], site="elsewhere"))
        await plant.tell(plant.person(row["person_id"]))
    assert await plant.tables("attendance_day", "punch", without=("xmin",)) == waited
    assert late == MANY * (len(DAYS) - 1)


async def test_a_fact_about_a_day_that_waits_is_computed_with_all_that_is_known(plant: Any) -> None:
    people = await worked(plant)
    await plant.tell(stricter(plant))
    addition = plant.addition(people[0], f"{DAYS[0]}T08:00+05:30")
    await plant.tell(addition)
    first = [await plant.days(each) for each in people[:2]]
    # In at 08:00, out at 09:30, in at 12:00; and as it was.
    assert [days[0][3] for days in first] == [240, 150]
    assert await late_days(plant) == 0
    await plant.outbox(CHANGES)
    await drained(plant)
    assert await late_days(plant) == MANY * len(DAYS) - 1
    told = [(each.person_id, str(each.attendance_on)) for each in await plant.outbox(CHANGES)]
    assert len(told) == len(set(told)) == MANY * len(DAYS) - 1


async def test_an_explanation_of_a_day_that_waits_says_so(plant: Any) -> None:
    people = await worked(plant)
    await plant.tell(stricter(plant))
    on = date.fromisoformat(DAYS[0])
    async with open_snapshot(plant.url) as snapshot:
        found = await explain_stored(snapshot, people[0], on)
        assert (found.is_stale, found.is_wrong, bool(found.differences)) == (True, False, True)
    await drained(plant)
    async with open_snapshot(plant.url) as snapshot:
        found = await explain_stored(snapshot, people[0], on)
        assert (found.is_stale, found.is_wrong, bool(found.differences)) == (False, False, False)


async def test_a_killed_part_is_done_again_and_the_parts_before_it_are_not(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant))
    await plant.read_model.in_transaction(work_off)
    before, left = await plant.tables("attendance_day"), await plant.sql.fetch(SPANS)
    done = await late_days(plant)
    assert 0 < done < MANY * len(DAYS)

    async def killed(transaction: Any) -> None:
        await work_off(transaction)
        connection = transaction.positions._connection
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        await plant.as_administrator("SELECT pg_terminate_backend($1)", backend)
        await connection.fetchval("SELECT 1")

    with pytest.raises(TransientFailure):
        await plant.read_model.in_transaction(killed)
    assert (await plant.tables("attendance_day"), await plant.sql.fetch(SPANS)) == (before, left)
    await drained(plant)
    assert await late_days(plant) == MANY * len(DAYS)
    after = (await plant.tables("attendance_day"))["attendance_day"]
    # What the first part wrote was not written again.
    kept = [row for row in before["attendance_day"] if row["late"]]
    assert all(row in after for row in kept)


async def test_only_one_projector_works_the_backlog_off(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant))

    async def both(transaction: Any) -> None:
        async with open_read_model(plant.writer_url) as other:
            assert (await other.in_transaction(work_off)).is_idle
        await work_off(transaction)

    async def claimed(transaction: Any) -> None:
        assert await transaction.backlog.claim()
        await both(transaction)

    await plant.read_model.in_transaction(claimed)
    await drained(plant)
    assert await late_days(plant) == MANY * len(DAYS)


async def test_facts_of_other_organisations_wait_for_nobody(plant: Any) -> None:
    """While one changes its directory and does not commit."""
    facts = (plant.site(), plant.shift("day", 8, 12), plant.person("binod"))
    await plant.tell(*(changed(each, org_id="other") for each in facts))
    is_done, may_commit = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Any) -> None:
        await transaction.positions.join_everyone({"org"}, alone={"org"})
        is_done.set()
        await may_commit.wait()

    holding = asyncio.create_task(plant.read_model.in_transaction(hold))
    await is_done.wait()
    async with asyncio.timeout(10), open_read_model(plant.writer_url) as other:
        projector = plant.projector_on(other)
        punch = changed(plant.match("binod", f"{DAYS[0]}T08:00+05:30"), org_id="other")
        await projector.apply([plant.record(punch, partition=1)])
        own = plant.record(plant.match("asha", f"{DAYS[0]}T08:00+05:30"), partition=2)
        mine = asyncio.create_task(projector.apply([own]))
        while not await plant.sql.fetchval(WAITING):
            assert not mine.done()
            await asyncio.sleep(0.01)
        may_commit.set()
        await asyncio.gather(holding, mine)
    assert await plant.places("asha") == [("DAY", DAYS[0])]


async def test_a_lock_waits_until_no_day_of_its_period_is_stale(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant))
    lock = plant.lock(date(2026, 3, 1), date(2026, 3, 31))
    await plant.tell(lock)
    assert await plant.outbox() == []
    await drained(plant)
    told = await plant.outbox()
    days = [day for each in told if isinstance(each, DaysLocked) for day in each.days]
    assert len(days) == MANY * len(DAYS)
    assert all(day.late for day in days)
    assert [type(each) for each in told].count(PeriodSealed) == 1
    assert await plant.sql.fetchval("SELECT count(*) FROM untold_lock") == 0
    # It is in force once what was told comes back, and tells nothing again.
    await plant.tell(*told)
    await drained(plant)
    assert await plant.sql.fetchval("SELECT in_force FROM period_lock WHERE lock_id = $1", lock.lock_id)
    assert await plant.outbox() == []


async def test_a_lock_that_is_reopened_while_it_waits_is_never_told(plant: Any) -> None:
    await worked(plant)
    lock = plant.lock(date(2026, 3, 1), date(2026, 3, 31))
    await plant.tell(stricter(plant), lock)
    await plant.tell(plant.reopening(lock))
    await drained(plant)
    assert await plant.outbox() == []
    assert await plant.sql.fetchval("SELECT count(*) FROM untold_lock") == 0


async def test_stale_days_never_become_final(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant))
    keep = KeptMonths(2, 2, 2)
    async with open_monthly_tables(plant.url) as tables:
        with pytest.raises(RetentionRefused, match="wait to be computed again"):
            await drop_months(tables, keep, date(2027, 1, 10))
        await drained(plant)
        await drop_months(tables, keep, date(2027, 1, 10))


async def test_days_that_cannot_be_computed_keep_nobody_else_waiting(plant: Any) -> None:
    people = await worked(plant)
    await plant.tell(stricter(plant))
    await plant.sql.execute(
        "ALTER TABLE attendance_day ADD CONSTRAINT not_this_person CHECK (person_id <> 'p003' OR NOT late)"
    )
    stopping, metrics = asyncio.Event(), ProjectorMetrics(CollectorRegistry())
    working = asyncio.create_task(work_off_backlog(plant.read_model.beside, metrics, stopping))

    async def all_but_one() -> bool:
        return await late_days(plant) == (MANY - 1) * len(DAYS)

    await eventually(all_but_one)
    stopping.set()
    await working
    (left,) = await plant.sql.fetch("SELECT * FROM stale_span WHERE refused IS NOT NULL")
    assert left["person_id"] == "p003" in people
    assert "not_this_person" in left["refused"]


class SecondProjector:
    """The tables, where another projector sets the days aside that failed here, a moment before."""

    def __init__(self, plant: Any) -> None:
        self._plant = plant

    async def in_transaction(self, work: Any) -> Any:
        if "reason" in work.keywords:
            await self._plant.sql.execute("UPDATE stale_span SET refused = 'it' WHERE person_id = 'p003'")
        return await self._plant.read_model.in_transaction(work)


async def test_two_projectors_set_the_same_days_aside_and_no_others(plant: Any) -> None:
    await worked(plant)
    await plant.tell(stricter(plant))
    await plant.sql.execute(
        "ALTER TABLE attendance_day ADD CONSTRAINT not_this_person CHECK (person_id <> 'p003' OR NOT late)"
    )
    stopping, metrics = asyncio.Event(), ProjectorMetrics(CollectorRegistry())
    tables: Any = SecondProjector(plant)
    working = asyncio.create_task(work_off_backlog(lambda: tables, metrics, stopping))

    async def nothing_waits() -> bool:
        return not await plant.sql.fetchval("SELECT count(*) FROM stale_span WHERE refused IS NULL")

    await eventually(nothing_waits)
    stopping.set()
    await working
    assert [row["person_id"] for row in await plant.sql.fetch(SPANS)] == ["p003"]
    assert await late_days(plant) == (MANY - 1) * len(DAYS)


async def test_a_wait_for_a_lock_says_nothing_about_the_record(plant: Any) -> None:
    """It is tried again for as long as it takes: nothing was ever wrong with it."""
    async with open_read_model(plant.writer_url) as other, plant.sql.transaction():
        await plant.sql.execute(statements("positions")["lock_everyone"])
        with pytest.raises(TransientFailure) as failure:
            await other.in_transaction(partial(joined_within, milliseconds=50))
    assert failure.value.is_contention


async def joined_within(transaction: Any, milliseconds: int) -> None:
    await transaction.positions._connection.execute(f"SET LOCAL lock_timeout = {milliseconds}")
    await transaction.positions.join_everyone({"org"})

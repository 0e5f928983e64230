"""Two locks over one date: the one recorded first keeps it, and settles what is booked on it."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import Made
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import InvalidFact, Punch, PunchId, ShiftId, ShiftVersion
from attendance_projector.domain.periods import PeriodLock, close_period, first_open_date, keep_closed
from attendance_projector.domain.schedule import Schedule

DAY = ShiftVersion(ShiftId("day"), time(8), time(12))
PLAN = Schedule(zone=ZoneInfo("UTC"), shifts=(DAY,), default_shift=ShiftId("day"))
MARCH, APRIL = (date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 4, 1), date(2026, 4, 30))


def worked_until(hour: int) -> list[AttendanceDay]:
    at = (datetime(2026, 3, 10, each, tzinfo=UTC) for each in (8, hour))
    return list(attendance([Punch(PunchId(str(each)), each) for each in at], PLAN).days)


def lock(lock_id: str, period: tuple[date, date], second: int) -> PeriodLock:
    return PeriodLock(
        lock_id, *period, Made("hr-1", "payroll", datetime(2026, 5, 1, 0, 0, second, tzinfo=UTC))
    )


def test_of_two_locks_that_did_not_know_each_other_the_first_keeps_the_day() -> None:
    # The id of the first comes last, and so does what it recorded.
    second = close_period(lock("a", MARCH, 2), worked_until(11), [])
    first = close_period(lock("b", MARCH, 1), worked_until(10), [])
    days, (adjustment,) = keep_closed(worked_until(12), [second, first])
    assert [day.worked_minutes for day in days] == [120]
    assert (adjustment.worked_minutes, adjustment.booked_on) == (120, date(2026, 4, 1))
    (again,), nothing = keep_closed(worked_until(11), [second])
    assert (again.worked_minutes, nothing) == (180, [])


def test_two_locks_that_did_not_know_each_other_settle_once() -> None:
    march = close_period(lock("m", MARCH, 1), worked_until(10), [])
    first, second = (
        close_period(lock(name, APRIL, number), worked_until(11), [march])
        for number, name in enumerate("ab", start=2)
    )
    assert first.adjustments == second.adjustments != ()
    _, (settled,) = keep_closed(worked_until(11), [march, second, first])
    assert (settled.worked_minutes, settled.settled_by) == (60, "a")
    _, adjustments = keep_closed(worked_until(12), [march, second, first])
    assert [(each.worked_minutes, each.settled_by, each.booked_on.month) for each in adjustments] == [
        (60, "a", 4),
        (60, None, 5),
    ]


def test_the_first_open_date_is_behind_locks_that_follow_or_overlap() -> None:
    march, april = lock("m", MARCH, 1), lock("a", APRIL, 2)
    middle = lock("o", (date(2026, 3, 20), date(2026, 4, 10)), 3)
    for locks, expected in (
        ([], date(2026, 3, 10)),
        ([april], date(2026, 3, 10)),
        ([march], date(2026, 4, 1)),
        ([middle, march], date(2026, 4, 11)),
        ([april, march], date(2026, 5, 1)),
    ):
        assert first_open_date(locks, date(2026, 3, 10)) == expected


def test_a_period_does_not_end_before_it_starts() -> None:
    with pytest.raises(InvalidFact, match="ends_on: 2026-03-01 is before 2026-03-31"):
        lock("m", MARCH[::-1], 1)

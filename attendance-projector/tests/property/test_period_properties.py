"""Locked periods: what is stored, settled and due adds up to the rules, and nothing locked moves."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import Made
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import Punch
from attendance_projector.domain.periods import (
    NO_DAY,
    Adjustment,
    Closing,
    DayKey,
    Figures,
    PeriodLock,
    close_period,
    figures_of,
    first_open_date,
    keep_closed,
    lock_on,
)
from attendance_projector.domain.schedule import Schedule
from attendance_testing.projector.rule_strategies import punch_lists, schedules

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
spans = st.tuples(st.integers(0, 20), st.integers(0, 12)).map(
    lambda given: (FIRST + timedelta(days=given[0]), FIRST + timedelta(days=sum(given)))
)
# How many of the punches a lock knew, the period, and whether it knew the locks before it: one that has not
# come back from Kafka yet is not in force.
locked = st.lists(st.tuples(st.integers(0, 25), spans, st.booleans()), max_size=4).map(sorted)
Told = list[tuple[int, tuple[date, date], bool]]


def days_of(punches: list[Punch], plan: Schedule) -> list[AttendanceDay]:
    return list(attendance(punches, plan, FIRST, LAST).days)


def closed(punches: list[Punch], plan: Schedule, told: Told) -> list[Closing]:
    """Lock one period after the other, each when some of the punches have come."""
    closings: list[Closing] = []
    for number, (known, span, knows_others) in enumerate(told):
        made = Made("hr-1", "payroll", datetime(2026, 4, 1, tzinfo=UTC) + timedelta(days=number))
        lock = PeriodLock(f"lock-{number}", *span, made)
        standing = closings if knows_others else []
        closings.append(close_period(lock, days_of(punches[:known], plan), standing))
    return closings


def paid(days: list[AttendanceDay], adjustments: list[Adjustment]) -> dict[DayKey, Figures]:
    found = {(day.attendance_on, day.shift_id): figures_of(day) for day in days}
    for each in adjustments:
        found[each.key] = each.after(found.get(each.key, NO_DAY))
    return {key: figures for key, figures in found.items() if figures != NO_DAY}


@given(punch_lists, schedules, locked)
def test_day_and_adjustments_are_what_the_rules_say(punches: list[Punch], plan: Schedule, told: Told) -> None:
    now = days_of(punches, plan)
    days, adjustments = keep_closed(now, closed(punches, plan, told))
    settled_first = sorted(adjustments, key=lambda each: (each.settled_by is None, each.booked_on))
    assert paid(days, settled_first) == paid(now, [])


@given(punch_lists, schedules, locked, st.integers(0, 25))
def test_locked_days_and_settled_adjustments_never_change(
    punches: list[Punch], plan: Schedule, told: Told, known: int
) -> None:
    closings = closed(punches, plan, told)
    locks = [each.lock for each in closings]
    (before, _), (after, adjustments) = (
        keep_closed(days_of(some, plan), closings) for some in (punches[:known], punches)
    )
    kept = [[day for day in days if lock_on(locks, day.attendance_on)] for days in (before, after)]
    assert kept[0] == kept[1]
    for each in adjustments:
        booked = lock_on(locks, each.booked_on)
        assert (booked is None) == (each.settled_by is None)
        assert each.settled_by is not None or each.booked_on == first_open_date(locks, each.attendance_on)
    keys = [(each.key, each.booked_on) for each in adjustments]
    assert len(keys) == len(set(keys))


@given(punch_lists, schedules, locked)
def test_reopened_is_as_never_locked(punches: list[Punch], plan: Schedule, told: Told) -> None:
    now = days_of(punches, plan)
    assert keep_closed(now, []) == (now, [])
    closings = closed(punches, plan, told)
    # The last lock takes nothing along: without it, all is as if it had never been.
    if closings:
        assert keep_closed(now, closings[:-1]) == keep_closed(now, closed(punches, plan, told[:-1]))


@given(punch_lists, schedules, locked, st.randoms(use_true_random=False))
def test_the_order_of_locks_and_days_changes_nothing(
    punches: list[Punch], plan: Schedule, told: Told, random: object
) -> None:
    now, closings = days_of(punches, plan), closed(punches, plan, told)
    expected = keep_closed(now, closings)
    shuffled = [replace(each, adjustments=each.adjustments[::-1], days=each.days[::-1]) for each in closings]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    days, adjustments = keep_closed(now, shuffled)
    assert sorted(days, key=repr) == sorted(expected[0], key=repr)
    assert adjustments == expected[1]

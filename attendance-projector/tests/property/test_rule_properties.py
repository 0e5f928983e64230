from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.attendance import Attendance, attendance
from attendance_projector.domain.corrections import Addition, Correction, Made, Override, Void
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import (
    NOTHING,
    Punch,
    PunchId,
    RosterEntry,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.schedule import ALWAYS_EMPLOYED, Schedule, shifts_on
from attendance_projector.domain.shift_windows import instances_between, instants_of
from attendance_projector.domain.status import Status
from attendance_projector.domain.touched import (
    date_touched_by_punch,
    dates_touched_by_employment,
    dates_touched_by_plans,
    dates_touched_by_roster,
)
from attendance_testing.projector.rule_strategies import (
    corrections,
    dates,
    instants,
    knowledge,
    punch_lists,
    roster_entries,
    schedules,
)

# A night from 22:00 to 06:00 over each of the changes of 2026, and how many hours it lasts.
NIGHTS = (
    ("Europe/Berlin", "2026-03-28", 7),
    ("Europe/Berlin", "2026-10-24", 9),
    ("Europe/London", "2026-03-28", 7),
    ("Europe/London", "2026-10-24", 9),
    ("America/New_York", "2026-03-07", 7),
    ("America/New_York", "2026-10-31", 9),
    ("America/Los_Angeles", "2026-03-07", 7),
    ("America/Los_Angeles", "2026-10-31", 9),
    ("America/St_Johns", "2026-03-07", 7),
    ("America/St_Johns", "2026-10-31", 9),
    ("America/Santiago", "2026-04-04", 9),
    ("America/Santiago", "2026-09-05", 7),
    ("Australia/Sydney", "2026-04-04", 9),
    ("Australia/Sydney", "2026-10-03", 7),
    ("Australia/Lord_Howe", "2026-04-04", 8.5),
    ("Australia/Lord_Howe", "2026-10-03", 7.5),
    ("Pacific/Auckland", "2026-04-04", 9),
    ("Pacific/Auckland", "2026-09-26", 7),
    ("Asia/Beirut", "2026-03-28", 7),
    ("Asia/Beirut", "2026-10-24", 9),
    ("Atlantic/Azores", "2026-03-28", 7),
    ("Atlantic/Azores", "2026-10-24", 9),
    ("Asia/Kolkata", "2026-03-28", 8),
    ("Asia/Kolkata", "2026-10-24", 8),
)


@given(punch_lists, schedules, corrections, knowledge, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    punches: list[Punch], plan: Schedule, made: list[Correction], known: Knowledge, random: object
) -> None:
    repeated = punches + punches[: len(punches) // 2]
    random.shuffle(repeated)  # type: ignore[attr-defined]
    shuffled = replace(plan, shifts=plan.shifts[::-1], roster=plan.roster[::-1] + plan.roster)
    of_march = {"first_on": date(2026, 3, 1), "last_on": date(2026, 3, 20), "known": known}
    expected = attendance(punches, plan, **of_march, corrections=made)
    assert attendance(repeated, shuffled, **of_march, corrections=[*made[::-1], *made]) == expected


@given(punch_lists, schedules, corrections, knowledge, st.integers(1, 19))
def test_a_split_month_gives_the_days_of_the_whole(
    punches: list[Punch], plan: Schedule, made: list[Correction], known: Knowledge, days: int
) -> None:
    first, last = date(2026, 3, 1), date(2026, 3, 20)
    middle = first + timedelta(days=days)
    whole = attendance(punches, plan, first, last, corrections=made, known=known)
    halves = [
        attendance(punches, plan, *half, corrections=made, known=known)
        for half in ((first, middle - timedelta(days=1)), (middle, last))
    ]
    on_date = sorted((day for half in halves for day in half.days), key=repr)
    assert on_date == sorted(whole.days, key=repr)
    assert [each for half in halves for each in half.unscheduled] == list(whole.unscheduled)


def without_reasons(result: Attendance) -> list[AttendanceDay]:
    return [replace(day, explanation=()) for day in result.days]


@given(punch_lists, schedules, knowledge, instants, dates, st.sampled_from(["punch", "override", "void"]))
def test_voiding_a_correction_restores_the_days(
    punches: list[Punch], plan: Schedule, known: Knowledge, at: datetime, on: date, kind: str
) -> None:
    who = Made("hr-1", "asked", correction_id="c1")
    added: dict[str, Correction] = {
        "punch": Addition(who, Punch(PunchId("added"), at, method="correction")),
        "override": Override(who, on, Status.LEAVE),
        "void": Void(who, PunchId("p00")),
    }
    undone = Void(Made("hr-2", "a mistake"), correction_id="c1")
    span = (date(2026, 3, 1), date(2026, 3, 20))
    before = attendance(punches, plan, *span, known=known)
    after = attendance(punches, plan, *span, corrections=[added[kind], undone], known=known)
    assert without_reasons(after) == without_reasons(before)
    assert after.unscheduled == before.unscheduled
    forgotten = Void(Made("hr-2", "a mistake"), PunchId("added"))
    again = attendance(punches, plan, *span, corrections=[added["punch"], forgotten], known=known)
    assert without_reasons(again) == without_reasons(before)


@given(punch_lists, schedules)
def test_worked_time_fits_into_the_window(punches: list[Punch], plan: Schedule) -> None:
    for day in attendance(punches, plan).days:
        windows = [
            each.closes_at - each.opens_at
            for each in instances_between(plan, day.attendance_on, day.attendance_on)
            if each.shift.shift_id == day.shift_id
        ]
        # A flexible day has no window but itself.
        window = windows[0] if windows else timedelta(hours=25)
        assert NOTHING <= day.worked <= window
        assert day.break_minutes >= 0
        assert day.overtime_minutes >= 0


@pytest.mark.parametrize(("zone", "on", "hours"), NIGHTS)
def test_a_night_lasts_what_really_passed(zone: str, on: str, hours: float) -> None:
    night = ShiftVersion(ShiftId("night"), time(22), time(6), late_grace=NOTHING, early_grace=NOTHING)
    plan = Schedule(zone=ZoneInfo(zone), shifts=(night,), default_shift=ShiftId("night"))
    starts_on = date.fromisoformat(on)
    starts_at = datetime.combine(starts_on, time(22), ZoneInfo(zone)).astimezone(UTC)
    ends_at = datetime.combine(starts_on + timedelta(days=1), time(6), ZoneInfo(zone)).astimezone(UTC)
    punches = [Punch(PunchId("in"), starts_at), Punch(PunchId("out"), ends_at)]
    (day,) = attendance(punches, plan).days
    assert (day.attendance_on, day.worked, day.late, day.early) == (
        starts_on,
        timedelta(hours=hours),
        False,
        False,
    )


@given(punch_lists, schedules)
def test_every_punch_is_in_exactly_one_place(punches: list[Punch], plan: Schedule) -> None:
    result = attendance(punches, plan)
    placed = [punch_id for day in result.days for punch_id in (*day.punches, *day.evidence)]
    placed += [ownership.punch.punch_id for ownership in result.unscheduled]
    assert sorted(placed) == sorted(punch.punch_id for punch in punches)


@given(punch_lists, schedules)
def test_time_is_never_negative_nor_longer_than_the_punches_span(
    punches: list[Punch], plan: Schedule
) -> None:
    at = {punch.punch_id: punch.occurred_at for punch in punches}
    for day in attendance(punches, plan).days:
        mine = [at[punch_id] for punch_id in (*day.punches, *day.evidence)]
        assert NOTHING <= day.worked <= max(mine) - min(mine)
        assert day.late_by >= NOTHING
        assert day.early_by >= NOTHING


@given(punch_lists, schedules)
def test_days_of_one_date_need_only_the_punches_around_it(punches: list[Punch], plan: Schedule) -> None:
    everything = attendance(punches, plan)
    dates_with_days = {day.attendance_on for day in everything.days}
    for on in dates_with_days:
        first, last = instants_of(plan, on, on)
        near = [punch for punch in punches if first <= punch.occurred_at <= last]
        expected = tuple(day for day in everything.days if day.attendance_on == on)
        assert attendance(near, plan, on, on).days == expected


@given(punch_lists, schedules)
def test_a_punch_changes_only_the_date_that_it_touches(punches: list[Punch], plan: Schedule) -> None:
    if not punches:
        return
    *before, added = punches
    touched = date_touched_by_punch(added, plan)
    old = [day for day in attendance(before, plan).days if day.attendance_on != touched]
    new = [day for day in attendance(punches, plan).days if day.attendance_on != touched]
    assert old == new


@given(punch_lists, schedules, roster_entries, st.integers(0, 5))
def test_a_roster_entry_changes_only_the_dates_that_it_touches(
    punches: list[Punch], plan: Schedule, entry: RosterEntry, length: int
) -> None:
    entry = replace(entry, ends_on=entry.starts_on + timedelta(days=length))
    after = replace(plan, roster=(*plan.roster, entry))
    span = dates_touched_by_roster(entry, plan)
    assert span.first_on is not None
    assert span.last_on is not None
    untouched = [
        [
            day
            for day in attendance(punches, each).days
            if not span.first_on <= day.attendance_on <= span.last_on
        ]
        for each in (plan, after)
    ]
    assert untouched[0] == untouched[1]


@given(schedules, dates)
def test_no_instance_has_a_negative_length(plan: Schedule, on: date) -> None:
    for instance in instances_between(plan, on, on + timedelta(days=3)):
        assert instance.starts_at <= instance.ends_at <= instance.starts_at + timedelta(hours=26)


@given(punch_lists, schedules)
def test_a_stricter_threshold_never_adds_a_present_day(punches: list[Punch], plan: Schedule) -> None:
    strict = tuple(
        replace(shift, half_day_below=timedelta(hours=24), absent_below=None) for shift in plan.shifts
    )

    def rigid(each: Schedule) -> Schedule:
        policies = tuple(replace(policy, flexible_day_start=None) for policy in each.policies)
        return replace(each, shifts=strict, policies=policies, earlier=())

    stricter = replace(rigid(plan), earlier=tuple((on, rigid(each)) for on, each in plan.earlier))
    present = [day for day in attendance(punches, stricter).days if day.status == "PRESENT"]
    assert all(day.worked >= timedelta(hours=24) for day in present)


@given(punch_lists, schedules, schedules, dates, knowledge)
def test_what_holds_from_a_date_on_changes_only_the_dates_that_it_touches(
    punches: list[Punch], plan: Schedule, other: Schedule, on: date, known: Knowledge
) -> None:
    """Another home, default shift and employment from a date on leave the days before it as they are."""
    cut = tuple(each for each in plan.earlier if each[0] < on)
    moved = replace(other, shifts=plan.shifts, roster=plan.roster, leave=plan.leave)
    moved = replace(moved, earlier=(*cut, (on, replace(plan.at(on - timedelta(days=1)), earlier=()))))
    plans = [
        each.dated.map(lambda then: replace(then, earlier=(), employment=ALWAYS_EMPLOYED))
        for each in (plan, moved)
    ]
    employments = [each.dated.map(lambda then: then.employment) for each in (plan, moved)]
    touched = dates_touched_by_plans(*plans, moved) + dates_touched_by_employment(*employments)
    days = [
        [
            day
            for day in attendance(punches, each, date(2026, 2, 20), date(2026, 11, 20), known=known).days
            if not any(
                (span.first_on or date.min) <= day.attendance_on <= (span.last_on or date.max)
                for span in touched
            )
        ]
        for each in (plan, moved)
    ]
    assert days[0] == days[1]
    shifts = [date(2026, 2, 20) + timedelta(days=number) for number in range((on - date(2026, 2, 20)).days)]
    assert [shifts_on(plan, each) for each in shifts] == [shifts_on(moved, each) for each in shifts]

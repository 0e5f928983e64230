"""Hypothesis strategies: punches, schedules, policies and corrections around the changes of clocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.corrections import Made, Override, Void
from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    Counting,
    Direction,
    PairingMode,
    Punch,
    PunchId,
    RosterEntry,
    Rotation,
    Rounding,
    RoundingMode,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.schedule import Employment, Leave, LeavePart, Policy, Schedule
from attendance_projector.domain.status import Status

# Clocks change in these zones within the dates below: forward, backward, by 30 minutes, at midnight, never.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Pacific/Apia",
)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
SPRINGS_AND_AUTUMNS = (FIRST, datetime(2026, 4, 20, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC))

shift_ids = st.sampled_from(["a", "b", "c"]).map(ShiftId)
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
minutes = st.integers(0, 600).map(lambda value: timedelta(minutes=value))
maybe_minutes = st.none() | minutes
thresholds = st.none() | st.integers(1, 600).map(lambda value: timedelta(minutes=value))
dates = st.sampled_from(SPRINGS_AND_AUTUMNS).flatmap(
    lambda start: st.integers(-3, 20).map(lambda days: (start + timedelta(days=days)).date())
)
versions = st.builds(
    ShiftVersion,
    shift_id=shift_ids,
    start=times,
    end=times,
    effective_on=st.sampled_from([date.min, date(2026, 3, 8), date(2026, 4, 24), date(2026, 10, 25)]),
    zone=st.none() | st.sampled_from(ZONES).map(ZoneInfo),
    window_before=minutes,
    window_after=minutes,
    late_grace=maybe_minutes,
    early_grace=maybe_minutes,
    pairing=st.sampled_from(PairingMode),
    counting=st.sampled_from(Counting),
    half_day_below=thresholds,
    absent_below=thresholds,
    debounce=st.sampled_from([timedelta(0), timedelta(seconds=60), timedelta(minutes=10)]),
    break_time=minutes,
    break_after=minutes,
    rounding=st.none() | st.builds(Rounding, st.integers(1, 60), st.sampled_from(RoundingMode)),
    overtime_after=maybe_minutes,
    overtime_cap=maybe_minutes,
    overtime_needs_approval=st.booleans(),
    count_on_holiday=st.booleans(),
)
roster_entries = st.builds(
    RosterEntry,
    shift_id=shift_ids,
    starts_on=dates,
    ends_on=st.none(),
    weekdays=st.frozensets(st.sampled_from(MONDAY_TO_SUNDAY), min_size=1),
) | st.builds(
    RosterEntry,
    shift_id=shift_ids,
    starts_on=dates,
    rotation=st.builds(Rotation, st.just(5), st.frozensets(st.integers(1, 5), min_size=1)),
)
policies = st.builds(
    Policy,
    effective_on=st.sampled_from([date.min, date(2026, 3, 8), date(2026, 4, 24), date(2026, 10, 25)]),
    weekly_offs=st.frozensets(st.sampled_from(MONDAY_TO_SUNDAY), max_size=2),
    flexible_day_start=st.none() | times,
    expects_attendance=st.booleans(),
)
constant_schedules = st.builds(
    Schedule,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    shifts=st.lists(versions, max_size=5, unique_by=lambda each: (each.shift_id, each.effective_on)).map(
        tuple
    ),
    roster=st.lists(roster_entries, max_size=3).map(tuple),
    default_shift=st.none() | shift_ids,
    holidays=st.frozensets(dates, max_size=3),
    leave=st.frozensets(st.builds(Leave, dates, st.sampled_from(LeavePart)), max_size=3),
    employment=st.builds(Employment, joined_on=st.none() | dates, active=st.booleans()),
    policies=st.lists(policies, max_size=3, unique_by=lambda each: each.effective_on).map(
        lambda versions: tuple(sorted(versions, key=lambda each: each.effective_on))
    ),
)


@st.composite
def moved_schedules(draw: st.DrawFn) -> Schedule:
    """Return the schedule of somebody whose home, default shift and employment were others before."""
    now = draw(constant_schedules)
    before = [(on, draw(constant_schedules)) for on in sorted(draw(st.sets(dates, min_size=1, max_size=2)))]
    of_all_times = {"shifts": now.shifts, "roster": now.roster, "leave": now.leave}
    return replace(now, earlier=tuple((on, replace(each, **of_all_times)) for on, each in before))


schedules = constant_schedules | moved_schedules()
instants = st.sampled_from(SPRINGS_AND_AUTUMNS).flatmap(
    lambda start: st.integers(0, 10 * 24 * 60 * 2).map(lambda halves: start + timedelta(seconds=30 * halves))
)
punch_lists = st.lists(st.tuples(instants, st.none() | st.sampled_from(Direction)), max_size=25).map(
    lambda facts: [Punch(PunchId(f"p{number:02}"), *fact) for number, fact in enumerate(facts)]
)


# A loaded machine is no fault of the rules: no example has a deadline.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
made = st.builds(
    Made,
    by=st.just("hr-1"),
    reason=st.just("asked"),
    recorded_at=st.none() | instants,
)
corrections = st.lists(
    st.builds(Void, made=made, punch_id=st.integers(0, 24).map(lambda number: PunchId(f"p{number:02}")))
    | st.builds(
        Override,
        made=made,
        on=dates,
        status=st.sampled_from([Status.PRESENT, Status.LEAVE]),
        shift_id=st.none() | shift_ids,
    ),
    max_size=5,
)
knowledge = st.builds(Knowledge, st.none() | instants, st.none() | instants)

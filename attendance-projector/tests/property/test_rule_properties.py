from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    NOTHING,
    Counting,
    Direction,
    PairingMode,
    Punch,
    PunchId,
    RosterEntry,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import instances_between, instants_of
from attendance_projector.domain.touched import date_touched_by_punch, dates_touched_by_roster

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
)
roster_entries = st.builds(
    RosterEntry,
    shift_id=shift_ids,
    starts_on=dates,
    ends_on=st.none(),
    weekdays=st.frozensets(st.sampled_from(MONDAY_TO_SUNDAY), min_size=1),
)
schedules = st.builds(
    Schedule,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    shifts=st.lists(versions, max_size=5, unique_by=lambda each: (each.shift_id, each.effective_on)).map(
        tuple
    ),
    roster=st.lists(roster_entries, max_size=3).map(tuple),
    default_shift=st.none() | shift_ids,
)
instants = st.sampled_from(SPRINGS_AND_AUTUMNS).flatmap(
    lambda start: st.integers(0, 10 * 24 * 60 * 2).map(lambda halves: start + timedelta(seconds=30 * halves))
)
punch_lists = st.lists(st.tuples(instants, st.none() | st.sampled_from(Direction)), max_size=25).map(
    lambda facts: [Punch(PunchId(f"p{number:02}"), *fact) for number, fact in enumerate(facts)]
)


@given(punch_lists, schedules, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(punches: list[Punch], plan: Schedule, random: object) -> None:
    repeated = punches + punches[: len(punches) // 2]
    random.shuffle(repeated)  # type: ignore[attr-defined]
    shuffled = Schedule(plan.zone, plan.shifts[::-1], plan.roster[::-1] + plan.roster, plan.default_shift)
    assert attendance(repeated, shuffled) == attendance(punches, plan)


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
    entry = RosterEntry(
        entry.shift_id, entry.starts_on, entry.starts_on + timedelta(days=length), entry.weekdays
    )
    after = Schedule(plan.zone, plan.shifts, (*plan.roster, entry), plan.default_shift)
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
        ShiftVersion(
            **{
                field: getattr(shift, field)
                for field in ShiftVersion.__dataclass_fields__
                if "below" not in field
            },
            half_day_below=timedelta(hours=24),
        )
        for shift in plan.shifts
    )
    stricter = Schedule(plan.zone, strict, plan.roster, plan.default_shift)
    present = [day for day in attendance(punches, stricter).days if day.status == "PRESENT"]
    assert all(day.worked >= timedelta(hours=24) for day in present)

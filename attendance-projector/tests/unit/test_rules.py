from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from attendance_projector.domain.attendance import Attendance, attendance
from attendance_projector.domain.corrections import Addition, Made
from attendance_projector.domain.dated import Dated
from attendance_projector.domain.explanation import Rule
from attendance_projector.domain.facts import (
    Direction,
    InvalidFact,
    Punch,
    PunchId,
    RosterEntry,
    RuleError,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.schedule import Employment, Policy, Schedule, shifts_on
from attendance_projector.domain.shift_windows import instances_between, instants_of, shift_instance
from attendance_projector.domain.touched import (
    DateSpan,
    date_touched_by_punch,
    dates_of_other_plans,
    dates_touched_by_person,
    dates_touched_by_roster,
    dates_touched_by_shift,
)

INDIA = ZoneInfo("Asia/Kolkata")
MORNING = ShiftVersion(shift_id=ShiftId("day"), start=time(8), end=time(12))
NIGHT = ShiftVersion(shift_id=ShiftId("night"), start=time(22), end=time(6))
D = date(2026, 3, 2)


def schedule(*shifts: ShiftVersion, zone: ZoneInfo = INDIA) -> Schedule:
    return Schedule(zone=zone, shifts=shifts, default_shift=shifts[0].shift_id)


def punch(name: str, at: str, direction: Direction | None = None) -> Punch:
    local = datetime.fromisoformat(at).replace(tzinfo=INDIA)
    return Punch(PunchId(name), local.astimezone(UTC), direction)


def test_no_punches_make_no_days() -> None:
    assert attendance([], schedule(MORNING)) == Attendance((), ())


def test_an_id_with_two_facts_is_refused() -> None:
    with pytest.raises(RuleError, match="p1 is given twice"):
        attendance([punch("p1", "2026-03-02T08:00"), punch("p1", "2026-03-02T08:01")], schedule(MORNING))


def test_a_punch_needs_an_offset() -> None:
    with pytest.raises(InvalidFact, match="occurred_at"):
        Punch(PunchId("p1"), datetime(2026, 3, 2, 8))  # noqa: DTZ001 - this is what is refused


def test_open_since_is_the_in_that_nothing_closed() -> None:
    punches = [
        punch("p1", "2026-03-02T08:00"),
        punch("p2", "2026-03-02T10:00"),
        punch("p3", "2026-03-02T11:00"),
    ]
    (closed,) = attendance(punches[:2], schedule(MORNING)).days
    (still_there,) = attendance(punches, schedule(MORNING)).days
    assert closed.open_since is None
    assert still_there.open_since == punches[2].occurred_at


def test_repeat_is_evidence_and_says_of_which_punch() -> None:
    punches = [punch("p1", "2026-03-02T08:00:00"), punch("p2", "2026-03-02T08:00:30")]
    (day,) = attendance(punches, schedule(MORNING)).days
    assert (day.punches, day.evidence) == (("p1",), ("p2",))
    (why,) = [entry for entry in day.explanation if entry.rule is Rule.DEBOUNCE]
    assert why.punch == "p2"
    assert "p1" in why.text


def test_day_names_the_version_of_its_shift() -> None:
    version = ShiftVersion(ShiftId("day"), time(8), time(12), effective_on=date(2026, 1, 1))
    (day,) = attendance([punch("p1", "2026-03-02T08:00")], schedule(version)).days
    assert day.shift_effective_on == date(2026, 1, 1)
    assert day.explanation[0].rule is Rule.SHIFT_VERSION
    assert "2026-01-01" in day.explanation[0].text


def test_days_of_nested_shifts_come_in_order_of_start() -> None:
    outer = ShiftVersion(ShiftId("z"), time(8), time(12))
    inner = ShiftVersion(ShiftId("a"), time(9), time(10))
    roster = (RosterEntry(ShiftId("a"), D), RosterEntry(ShiftId("z"), D))
    plan = Schedule(zone=INDIA, shifts=(inner, outer), roster=roster)
    assert [each.shift.shift_id for each in instances_between(plan, D, D)] == ["z", "a"]


def test_instants_cover_windows_and_the_local_date() -> None:
    first, last = instants_of(schedule(NIGHT), D, D)
    assert first == datetime(2026, 3, 2, tzinfo=INDIA)
    assert last == datetime(2026, 3, 3, 7, tzinfo=INDIA)


@pytest.mark.parametrize(
    ("at", "touched"),
    [
        ("2026-03-02T22:00", date(2026, 3, 2)),
        ("2026-03-03T05:00", date(2026, 3, 2)),
        ("2026-03-03T07:01", date(2026, 3, 3)),
    ],
)
def test_a_punch_touches_the_date_of_its_owner_or_its_own(at: str, touched: date) -> None:
    assert date_touched_by_punch(punch("p", at), schedule(NIGHT)) == touched


def test_a_roster_entry_touches_its_dates_and_those_next_to_them() -> None:
    entry = RosterEntry(ShiftId("day"), date(2026, 3, 10), date(2026, 3, 12))
    span = dates_touched_by_roster(entry, schedule(MORNING))
    assert span == DateSpan(date(2026, 3, 5), date(2026, 3, 17))
    endless = RosterEntry(ShiftId("day"), date(1, 1, 2), None)
    assert dates_touched_by_roster(endless, schedule(MORNING)) == DateSpan(date.min, None)
    until_the_end = RosterEntry(ShiftId("day"), D, date.max)
    assert dates_touched_by_roster(until_the_end, Schedule(zone=INDIA)).last_on is None


def test_a_shift_version_touches_the_dates_until_the_next_version() -> None:
    versions = [ShiftVersion(ShiftId("day"), time(8), time(12), date(2026, month, 1)) for month in (1, 3, 6)]
    span = dates_touched_by_shift(versions[1], schedule(*versions))
    assert span == DateSpan(date(2026, 2, 24), date(2026, 6, 5))
    assert dates_touched_by_shift(versions[2], schedule(*versions)).last_on is None


def test_a_person_touches_all_dates() -> None:
    assert dates_touched_by_person() == DateSpan(None, None)


def test_an_identical_shift_version_twice_is_one() -> None:
    assert schedule(MORNING, MORNING).zone_of(MORNING, D) is INDIA


def test_three_shared_windows_are_cut_one_after_the_other() -> None:
    wide = timedelta(hours=4)
    shifts = tuple(
        ShiftVersion(ShiftId(name), time(hour), time(hour + 2), window_before=wide, window_after=wide)
        for name, hour in (("a", 8), ("b", 10), ("c", 12))
    )
    plan = Schedule(
        zone=INDIA, shifts=shifts, roster=tuple(RosterEntry(shift.shift_id, D) for shift in shifts)
    )
    punches = [punch(f"p{hour}", f"2026-03-02T{hour:02}:30") for hour in (9, 11, 13)]
    directed = [
        punch("in", "2026-03-02T11:30", Direction.IN),
        punch("out", "2026-03-02T11:31", Direction.OUT),
    ]
    days = attendance([*punches, *directed], plan).days
    assert [(day.shift_id, {*day.punches, *day.evidence}) for day in days] == [
        ("a", {"p9", "out"}),
        ("b", {"p11"}),
        ("c", {"p13", "in"}),
    ]


def test_a_punch_added_years_before_is_no_burden_for_the_days_of_today() -> None:
    plan = schedule(MORNING)
    worked = [punch("p1", "2026-03-02T08:00"), punch("p2", "2026-03-02T12:00")]
    added = [
        Addition(Made("hr-1", "asked"), punch(name, at))
        for name, at in (("a1", "2015-01-05T08:00"), ("a2", "2026-03-02T10:00"), ("a3", "2099-12-30T08:00"))
    ]
    shift_instance.cache_clear()
    found = attendance(worked, plan, D, D, corrections=added)
    assert shift_instance.cache_info().misses < 10
    assert [each for day in found.days for each in day.punches] == ["p1", "a2", "p2"]
    everything = attendance(worked, plan, corrections=added)
    assert [day for day in everything.days if day.attendance_on == D] == list(found.days)
    assert [day.punches for day in everything.days] == [("a1",), ("p1", "a2", "p2"), ("a3",)]


def test_the_days_of_a_date_say_which_punches_of_it_belong_to_none() -> None:
    punches = [
        punch("in", "2026-03-02T08:00"),
        punch("late", "2026-03-02T20:00"),
        punch("next", "2026-03-03T20:00"),
    ]
    result = attendance(punches, schedule(MORNING))
    (day,) = result.days
    named = [each for each in day.explanation if each.rule is Rule.UNSCHEDULED]
    assert [(each.punch, "in the window of no shift" in each.text) for each in named] == [("late", True)]
    assert [each.punch.punch_id for each in result.unscheduled] == ["late", "next"]


def moved(before: Schedule, on: date, now: Schedule) -> Schedule:
    return replace(now, earlier=((on, before),))


def test_a_date_has_what_was_in_force_on_it() -> None:
    london = ZoneInfo("Europe/London")
    before = Schedule(
        zone=INDIA,
        shifts=(MORNING, NIGHT),
        default_shift=MORNING.shift_id,
        holidays=frozenset({D}),
        employment=Employment(joined_on=D),
        policies=(Policy(weekly_offs=frozenset({"mon"})),),
    )
    plan = moved(
        before, D + timedelta(days=1), Schedule(london, (MORNING, NIGHT), default_shift=NIGHT.shift_id)
    )
    assert [shifts_on(plan, D + timedelta(days=number)) for number in (0, 1)] == [[MORNING], [NIGHT]]
    assert [plan.is_holiday(D), plan.is_employed(D - timedelta(days=1)), plan.zone_on(D)] == [
        True,
        False,
        INDIA,
    ]
    assert [plan.policy_on(D + timedelta(days=number)).weekly_offs for number in (0, 1)] == [{"mon"}, set()]
    assert plan.at(D + timedelta(days=1)) is plan


def test_a_move_across_zones_leaves_no_instant_without_a_zone() -> None:
    """East to west the evening repeats, west to east it is short: the old zone holds until its midnight."""
    east, west = schedule(MORNING), schedule(MORNING, zone=ZoneInfo("America/New_York"))
    for before, now in ((east, west), (west, east)):
        plan = moved(before, D, now)
        midnight = datetime.combine(D, time(), before.zone)
        assert plan.zone_at(midnight - timedelta(microseconds=1)) is before.zone
        assert plan.zone_at(midnight) is now.zone
        first_at, last_at = instants_of(plan, D, D)
        assert first_at <= datetime.combine(D, time(8), now.zone) <= last_at


def test_what_was_replaced_before_is_touched_no_more() -> None:
    plans = [Dated("a"), Dated("b", ((D, "a"),)), Dated("c", ((D, "a"), (D + timedelta(days=9), "b")))]
    ten = D + timedelta(days=9)
    assert dates_of_other_plans(plans[0], plans[1]) == [DateSpan(D, None)]
    assert dates_of_other_plans(plans[1], plans[2]) == [DateSpan(ten, None)]
    assert dates_of_other_plans(plans[0], plans[0]) == []

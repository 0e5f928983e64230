from datetime import date, timedelta
from uuid import uuid4

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import Punch, PunchId, RosterEntry, ShiftId, ShiftVersion
from attendance_projector.domain.touched import DateSpan
from attendance_projector.projection.backlog.ports import StaleSpan
from attendance_projector.projection.backlog.put_off import PEOPLE_AT_ONCE, parted
from attendance_projector.projection.backlog.work_off import first_dates, first_spans
from attendance_projector.projection.days.stale_dates import (
    Change,
    DatesChanged,
    DayLostPunch,
    HorizonMoved,
    PersonChanged,
    PlanChanged,
    PunchChanged,
    RosterChanged,
    ShiftChanged,
)
from attendance_projector.projection.stored import PersonKey

MARCH = date(2026, 3, 1)
MANY = [PersonKey("org", f"p{number}") for number in range(PEOPLE_AT_ONCE + 1)]


def version(effective_on: date) -> ShiftVersion:
    from datetime import time

    return ShiftVersion(ShiftId("day"), time(8), time(12), effective_on)


def test_a_change_of_few_people_is_computed_with_its_fact() -> None:
    changes: dict[PersonKey, list[Change]] = {each: [PersonChanged()] for each in MANY[1:]}
    assert parted(changes) == (changes, {})


def test_a_change_of_many_people_waits_and_their_punches_do_not() -> None:
    from datetime import UTC, datetime

    punch = PunchChanged(Punch(PunchId(str(uuid4())), datetime(2026, 3, 2, 8, tzinfo=UTC), None, "face"))
    lost = DayLostPunch(MARCH)
    changes: dict[PersonKey, list[Change]] = {each: [DatesChanged(MARCH, MARCH)] for each in MANY}
    changes[MANY[0]] += [punch, lost]
    changes[PersonKey("other", "p")] = [punch]
    now, later = parted(changes)
    assert now == {MANY[0]: [punch, lost], PersonKey("other", "p"): [punch]}
    assert later == {each: [DateSpan(MARCH, MARCH)] for each in MANY}


def test_what_waits_is_never_narrower_than_what_the_change_touches() -> None:
    roster = RosterEntry(ShiftId("day"), MARCH, MARCH + timedelta(days=30))
    changes: dict[PersonKey, list[Change]] = {each: [] for each in MANY}
    for of_person in changes.values():
        of_person += [
            RosterChanged(roster),
            ShiftChanged(version(MARCH)),
            HorizonMoved(None, MARCH),
            PersonChanged(),
            PlanChanged(
                Dated(("site", "day")), Dated(("site", "night"), ((date(2026, 5, 1), ("site", "day")),))
            ),
        ]
    _, later = parted(changes)
    reach = timedelta(days=19)
    assert later[MANY[0]] == [
        DateSpan(MARCH - reach, MARCH + timedelta(days=30) + reach),
        DateSpan(MARCH - reach, None),
        DateSpan(None, MARCH),
        DateSpan(),
        DateSpan(date(2026, 5, 1) - reach, None),
    ]


def test_no_more_people_are_taken_than_there_may_be_dates_for() -> None:
    one_day, ever = DateSpan(MARCH, MARCH), DateSpan(MARCH, None)
    holidays = [StaleSpan(number, each, one_day) for number, each in enumerate(MANY)]
    assert first_spans(holidays, 500) == holidays
    assert first_spans(holidays, 3) == holidays[:3]
    shifts = [StaleSpan(number, each, ever) for number, each in enumerate(MANY)]
    assert first_spans(shifts, 500) == shifts[:5]
    assert first_spans([], 500) == []


def test_so_many_dates_are_taken_and_the_rest_is_left_in_order() -> None:
    stale = {
        MANY[0]: [(date(2026, 3, 1), date(2026, 3, 4))],
        MANY[1]: [(date(2026, 3, 1), date(2026, 3, 3)), (date(2026, 4, 1), date(2026, 4, 1))],
    }
    now, left = first_dates(stale, 6)
    assert now == {
        MANY[0]: [(date(2026, 3, 1), date(2026, 3, 4))],
        MANY[1]: [(date(2026, 3, 1), date(2026, 3, 2))],
    }
    assert left == {MANY[1]: [(date(2026, 3, 3), date(2026, 3, 3)), (date(2026, 4, 1), date(2026, 4, 1))]}
    assert first_dates(left, 6) == (left, {})

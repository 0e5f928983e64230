from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from attendance_projector.domain.facts import Punch, PunchId, RosterEntry, ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Schedule
from attendance_projector.projection.days.stale_dates import (
    Change,
    DayLostPunch,
    PersonChanged,
    PunchChanged,
    RosterChanged,
    ShiftChanged,
    merged,
    needs_extent,
    stale_dates,
)

NIGHT = ShiftVersion(ShiftId("night"), time(22), time(6))
PLAN = Schedule(zone=ZoneInfo("UTC"), shifts=(NIGHT,), default_shift=NIGHT.shift_id)
EXTENT = (date(2026, 2, 19), date(2026, 3, 30))
MARCH_3 = PunchChanged(Punch(PunchId("p"), datetime(2026, 3, 3, 5, tzinfo=UTC)))


def march(first: int, last: int) -> tuple[date, date]:
    return date(2026, 3, first), date(2026, 3, last)


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        ([MARCH_3], [march(2, 2)]),
        ([DayLostPunch(date(2026, 3, 9)), MARCH_3], [march(2, 2), march(9, 9)]),
        ([DayLostPunch(date(2026, 3, 3)), MARCH_3], [march(2, 3)]),
        ([PersonChanged()], [(date(2026, 2, 19), date(2026, 3, 30))]),
        ([RosterChanged(RosterEntry(NIGHT.shift_id, *march(10, 11)))], [march(5, 16)]),
        ([RosterChanged(RosterEntry(NIGHT.shift_id, date(2027, 1, 1)))], []),
        ([ShiftChanged(NIGHT)], [(date(2026, 2, 19), date(2026, 3, 30))]),
    ],
)
def test_stale_dates_within_the_extent_of_punches(
    changes: list[Change], stale: list[tuple[date, date]]
) -> None:
    assert stale_dates(changes, PLAN, EXTENT) == stale


def test_without_punches_only_single_dates_are_stale() -> None:
    assert stale_dates([PersonChanged(), DayLostPunch(date(2026, 3, 9))], PLAN, None) == [march(9, 9)]


def test_the_extent_is_asked_for_only_when_dates_can_be_open() -> None:
    assert not needs_extent([MARCH_3, DayLostPunch(date(2026, 3, 9))])
    assert needs_extent([MARCH_3, PersonChanged()])


def test_spans_that_touch_are_one() -> None:
    assert merged([march(5, 6), march(1, 2), march(3, 3), march(2, 3)]) == [march(1, 3), march(5, 6)]

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from attendance_projector.domain.facts import ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Policy, Schedule
from attendance_projector.explain.scenario.apply import ScenarioError
from attendance_projector.explain.what_if_file import altered, read_what_if

DAY = ShiftId("day")
JANUARY, MARCH, MARCH_16, APRIL = date(2026, 1, 1), date(2026, 3, 1), date(2026, 3, 16), date(2026, 4, 1)
SHIFTS = (
    ShiftVersion(DAY, time(8), time(16), JANUARY, late_grace=timedelta(minutes=5)),
    ShiftVersion(DAY, time(9), time(17), APRIL, late_grace=timedelta(minutes=5)),
    ShiftVersion(ShiftId("night"), time(22), time(6), JANUARY),
)
PLAN = Schedule(
    zone=ZoneInfo("Asia/Kolkata"),
    shifts=SHIFTS,
    policies=(Policy(JANUARY, frozenset({"sun"}), name="plant"),),
)


def would_be(content: bytes, plan: Schedule = PLAN) -> Schedule:
    return altered(plan, read_what_if(content), MARCH)


def test_a_shift_changes_from_the_first_of_the_month_on_and_keeps_its_other_fields() -> None:
    shifts = would_be(b'{"shifts": [{"id": "day", "late_grace": 10, "half_day_below": 1.5}]}').shifts
    changed = {each.effective_on: each for each in shifts if each.shift_id == DAY}
    assert {on: each.late_grace for on, each in changed.items()} == {
        JANUARY: timedelta(minutes=5),
        MARCH: timedelta(minutes=10),
        APRIL: timedelta(minutes=10),
    }
    assert changed[MARCH].start == time(8)
    assert changed[APRIL].start == time(9)
    assert changed[MARCH].half_day_below == timedelta(minutes=90)
    assert SHIFTS[2] in shifts


def test_null_turns_a_rule_off_and_a_date_begins_the_change() -> None:
    shifts = would_be(b'{"shifts": [{"id": "day", "late_grace": null, "effective_on": "2026-04-01"}]}').shifts
    assert {each.effective_on: each.late_grace for each in shifts if each.shift_id == DAY} == {
        JANUARY: timedelta(minutes=5),
        APRIL: None,
    }


def test_a_shift_that_a_person_does_not_have_changes_nothing() -> None:
    assert would_be(b'{"shifts": [{"id": "late", "late_grace": 1}]}') == PLAN


def test_a_policy_changes_the_fields_given() -> None:
    content = b'{"policy": {"flexible": true, "day_start": "04:00", "effective_on": "2026-03-16"}}'
    assert would_be(content).policies == (
        Policy(JANUARY, frozenset({"sun"}), name="plant"),
        Policy(MARCH_16, frozenset({"sun"}), time(4), name="plant (what-if)"),
    )


def test_without_a_policy_nobody_is_waited_for_unless_the_file_says_so() -> None:
    content = b'{"policy": {"weekly_offs": ["sat"]}}'
    bare = Schedule(zone=ZoneInfo("UTC"), policies=())
    assert would_be(content, bare).policies == (
        Policy(MARCH, frozenset({"sat"}), expects_attendance=False, name="what-if"),
    )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"policy": {"weekly_off": ["sun"]}}', "weekly_off`"),
        (b'{"policy": {"weekly_offs": ["sunday"]}}', "policy.weekly_offs"),
        (b'{"policy": {"day_start": "5 am", "flexible": true}}', "policy.day_start"),
        (b'{"policy": {"effective_on": "1066-10-14"}}', "policy.effective_on"),
        (b'{"shifts": [{"id": "day", "grace": 1}]}', "grace`"),
        (b'{"shifts": [{"id": "day", "late_grace": -1}]}', "shifts[0].late_grace"),
        (b'{"shifts": [{"id": "day", "start": "25:00"}]}', "shifts[0].start"),
        (b'{"shifts": [{"late_grace": 1}]}', "`id`"),
        (b'{"shifts": [{"id": "day"}, {"id": "day"}]}', "'day' is given twice"),
        (b'{"polices": {}}', "polices`"),
        (b"{}", "changes nothing"),
        (b"no json", "does not read"),
    ],
)
def test_a_wrong_file_names_the_field(content: bytes, named: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_what_if(content)
    assert named in str(caught.value)

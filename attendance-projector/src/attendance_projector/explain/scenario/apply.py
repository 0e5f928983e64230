"""Scenario files: one person's schedule, punches and corrections, and the days that the rules make of them.

The what-if tool of payroll clerks and the format of the golden tests. A field that is unknown or impossible
is an error that names it; nothing is ignored silently.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import corrections_in_force
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.explanation import reasons_as_json
from attendance_projector.domain.flexible import NO_SHIFT
from attendance_projector.domain.periods import Adjustment
from attendance_projector.explain.scenario.file import Scenario
from attendance_projector.explain.scenario.locks import closed_days
from attendance_projector.explain.scenario.rule_inputs import (
    LONGEST_RANGE,
    ScenarioError,
    check_date,
    corrections_of,
    knowledge_of,
    naming,
    parts_of,
    punches_of,
    schedule_of,
)

__all__ = [
    "Scenario",
    "ScenarioError",
    "day_as_json",
    "explain_scenario",
    "explanation_as_json",
    "read_scenario",
    "write_scenario",
]


def read_scenario(content: bytes) -> Scenario:
    """Read a scenario file. Raises ScenarioError."""
    try:
        return msgspec.json.decode(content, type=Scenario)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"the scenario does not read: {error}") from error


def write_scenario(scenario: Scenario) -> bytes:
    """Write a scenario file; `read_scenario` reads the same scenario."""
    return msgspec.json.format(msgspec.json.encode(scenario), indent=1) + b"\n"


def explain_scenario(scenario: Scenario) -> dict[str, Any]:
    """Apply the rules to a scenario; return its days, and its unscheduled and review lists.

    Raises ScenarioError, naming the field.
    """
    schedule = schedule_of(scenario)
    punches = punches_of(scenario, schedule.zone)
    corrections = corrections_of(scenario, schedule.zone)
    known = knowledge_of(scenario, schedule.zone)
    first_on, last_on = scenario.range or (None, None)
    for on in (first_on, last_on):
        check_date("range", on)
    if first_on is not None and last_on is not None and last_on < first_on:
        raise ScenarioError(f"range: {last_on} is before {first_on}")
    if first_on is not None and last_on is not None and last_on - first_on > LONGEST_RANGE:
        raise ScenarioError(f"range: more than {LONGEST_RANGE.days} days; ask for less")
    with naming("corrections"):
        corrections_in_force(corrections)
    days: list[AttendanceDay] = []
    unscheduled: list[str] = []
    with naming("punches"):
        until = check_date("expected_until", scenario.expected_until)
        for first, last, what in parts_of(scenario, known, until):
            part = attendance(punches, schedule, first, last, corrections=corrections, known=what)
            days += part.days
            unscheduled += (ownership.punch.punch_id for ownership in part.unscheduled)
    adjustments: dict[str, Any] = {}
    if scenario.locks:
        days, found = closed_days(scenario, days)
        adjustments["adjustments"] = [_adjustment_as_json(each) for each in found]
    shown = [day_as_json(day) for day in days]
    return {"days": shown, "unscheduled": unscheduled, "review": unscheduled} | adjustments


def day_as_json(day: AttendanceDay) -> dict[str, Any]:
    """Return a day as it is printed for scripts."""
    return {
        "attendance_on": day.attendance_on.isoformat(),
        "shift": None if day.shift_id == NO_SHIFT else day.shift_id,
        "status": day.status.value,
        "worked_minutes": day.worked_minutes,
        "first_in": _instant_text(day.first_in_at),
        "last_out": _instant_text(day.last_out_at),
        "late": day.late,
        "late_minutes": day.late_minutes,
        "early": day.early,
        "early_minutes": day.early_minutes,
        "overtime_minutes": day.overtime_minutes,
        "break_minutes": day.break_minutes,
        "missing": day.missing.value if day.missing else None,
        "punches": list(day.punches),
        "explanation": explanation_as_json(day),
    }


def _adjustment_as_json(each: Adjustment) -> dict[str, Any]:
    return {
        "attendance_on": each.attendance_on.isoformat(),
        "shift": None if each.shift_id == NO_SHIFT else each.shift_id,
        "booked_on": each.booked_on.isoformat(),
        "settled": each.settled_by is not None,
        "status_from": None if each.status_from is None else each.status_from.value,
        "status_to": None if each.status_to is None else each.status_to.value,
        "worked_minutes": each.worked_minutes,
        "overtime_minutes": each.overtime_minutes,
        "late_minutes": each.late_minutes,
        "early_minutes": each.early_minutes,
        "break_minutes": each.break_minutes,
        "explanation": reasons_as_json(each.explanation),
    }


def explanation_as_json(day: AttendanceDay) -> list[dict[str, str | None]]:
    """Return a day's explanation as it is stored and printed."""
    return reasons_as_json(day.explanation)


def _instant_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""Scenario files: one person's schedule, punches and corrections, and the days that the rules make of them.

The what-if tool of payroll clerks and the format of the golden tests. A field that is unknown or impossible
is an error that names it; nothing is ignored silently.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from attendance_projector.domain.attendance import Attendance, attendance
from attendance_projector.domain.corrections import corrections_in_force
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.flexible import NO_SHIFT
from attendance_projector.scenario_facts import (
    LONGEST_RANGE,
    ScenarioError,
    check_date,
    corrections_of,
    knowledge_of,
    naming,
    punches_of,
    schedule_of,
)
from attendance_projector.scenario_file import Scenario

__all__ = ["Scenario", "ScenarioError", "explain_scenario", "explanation_as_json", "read_scenario"]


def read_scenario(content: bytes) -> Scenario:
    """Read a scenario file. Raises ScenarioError."""
    try:
        return msgspec.json.decode(content, type=Scenario)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"the scenario does not read: {error}") from error


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
    with naming("punches"):
        return _as_json(
            attendance(punches, schedule, first_on, last_on, corrections=corrections, known=known)
        )


def _as_json(result: Attendance) -> dict[str, Any]:
    unscheduled = [ownership.punch.punch_id for ownership in result.unscheduled]
    days = [_day_as_json(day) for day in result.days]
    return {"days": days, "unscheduled": unscheduled, "review": unscheduled}


def _day_as_json(day: AttendanceDay) -> dict[str, Any]:
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


def explanation_as_json(day: AttendanceDay) -> list[dict[str, str | None]]:
    """Return a day's explanation as it is stored and printed."""
    return [{"rule": entry.rule.value, "punch": entry.punch, "text": entry.text} for entry in day.explanation]


def _instant_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

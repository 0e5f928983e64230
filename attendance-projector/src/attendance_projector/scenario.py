"""Scenario files: one person's schedule, punches and corrections, and the days that the rules make of them.

The what-if tool of payroll clerks and the format of the golden tests. A field that is unknown or impossible
is an error that names it; nothing is ignored silently.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import corrections_in_force
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.flexible import NO_SHIFT
from attendance_projector.domain.shift_windows import ONE_DAY
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
    days: list[dict[str, Any]] = []
    unscheduled: list[str] = []
    with naming("punches"):
        for first, last, what in _parts(scenario, known):
            part = attendance(punches, schedule, first, last, corrections=corrections, known=what)
            days += map(day_as_json, part.days)
            unscheduled += (ownership.punch.punch_id for ownership in part.unscheduled)
    return {"days": days, "unscheduled": unscheduled, "review": unscheduled}


def _parts(
    scenario: Scenario, known: Knowledge
) -> Iterator[tuple[date | None, date | None, Knowledge | None]]:
    """Cut the range after the last date on which a day without a punch is shown."""
    until = check_date("expected_until", scenario.expected_until)
    if scenario.range is None or until is None:
        yield *(scenario.range or (None, None)), known
        return
    first_on, last_on = scenario.range
    if first_on <= until:
        yield first_on, min(last_on, until), known
    if last_on > until:
        yield max(first_on, until + ONE_DAY), last_on, None


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


def explanation_as_json(day: AttendanceDay) -> list[dict[str, str | None]]:
    """Return a day's explanation as it is stored and printed."""
    return [{"rule": entry.rule.value, "punch": entry.punch, "text": entry.text} for entry in day.explanation]


def _instant_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

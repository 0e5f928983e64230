"""Scenario files: one person's shifts, roster and punches, and the days that the rules make of them.

The format has the fields of the rules that this version applies. A field that is unknown or impossible is an
error that names it; nothing is ignored silently.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.domain.attendance import Attendance, attendance
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    Counting,
    Direction,
    InvalidFact,
    PairingMode,
    Punch,
    PunchId,
    RosterEntry,
    RuleError,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.local_time import start_instant
from attendance_projector.domain.schedule import Schedule


class ScenarioError(RuleError):
    """A scenario file cannot be read. Correct the field that the message names."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A JSON object whose unknown fields are errors."""


class ShiftText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shift: windows and graces in minutes, thresholds in hours, debounce in seconds."""

    id: str
    start: str
    end: str
    effective_on: date = date.min
    time_zone: str | None = None
    window_before: float = 60
    window_after: float = 60
    late_grace: float | None = None
    early_grace: float | None = None
    pairing: PairingMode = PairingMode.ALTERNATING
    counting: Counting = Counting.FIRST_LAST
    half_day_below: float | None = None
    absent_below: float | None = None
    debounce: float = 60


class RosterText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A roster entry; `until` null leaves it open."""

    shift: str
    starts_on: date = msgspec.field(name="from")
    until: date | None = msgspec.field(name="to", default=None)
    weekdays: tuple[str, ...] = MONDAY_TO_SUNDAY


class PunchText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A punch; `at` without an offset is local time of the site."""

    id: str
    at: str
    direction: Direction | None = None
    method: str = "face"


class Scenario(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario as the file has it."""

    site_zone: str
    shifts: tuple[ShiftText, ...] = ()
    roster: tuple[RosterText, ...] = ()
    default_shift: str | None = None
    punches: tuple[PunchText, ...] = ()
    range: tuple[date, date] | None = None


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
    zone = _zone("site_zone", scenario.site_zone)
    shifts = tuple(_shift(f"shifts[{index}]", text) for index, text in enumerate(scenario.shifts))
    known = {shift.shift_id for shift in shifts}
    if scenario.default_shift is not None and scenario.default_shift not in known:
        raise ScenarioError(f"default_shift: no shift has the id {scenario.default_shift!r}")
    roster = tuple(_roster(f"roster[{index}]", text, known) for index, text in enumerate(scenario.roster))
    default = None if scenario.default_shift is None else ShiftId(scenario.default_shift)
    try:
        schedule = Schedule(zone=zone, shifts=shifts, roster=roster, default_shift=default)
    except InvalidFact as error:
        raise ScenarioError(str(error)) from error
    punches = [_punch(f"punches[{index}]", text, zone) for index, text in enumerate(scenario.punches)]
    first_on, last_on = scenario.range or (None, None)
    if first_on is not None and last_on is not None and last_on < first_on:
        raise ScenarioError(f"range: {last_on} is before {first_on}")
    return _as_json(attendance(punches, schedule, first_on, last_on))


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the place in the file before the message of whatever is wrong with its value."""
    try:
        yield
    except InvalidFact as error:
        raise ScenarioError(f"{where}.{error}") from error
    except (ValueError, OverflowError, OSError) as error:
        # ZoneInfo answers a key that names a folder with an OSError.
        raise ScenarioError(f"{where}: {error}") from error


def _zone(where: str, name: str) -> ZoneInfo:
    with _naming(where):
        try:
            return ZoneInfo(name)
        except KeyError as error:
            raise ScenarioError(f"{where}: {name!r} is no IANA time zone") from error


def _time(where: str, text: str) -> time:
    with _naming(where):
        value = time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ScenarioError(f"{where}: {text!r} has an offset; give local time")
    return value


def _minutes(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)


def _hours(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(hours=value)


def _shift(where: str, text: ShiftText) -> ShiftVersion:
    start, end = _time(f"{where}.start", text.start), _time(f"{where}.end", text.end)
    zone = None if text.time_zone is None else _zone(f"{where}.time_zone", text.time_zone)
    with _naming(where):
        return ShiftVersion(
            shift_id=ShiftId(text.id),
            start=start,
            end=end,
            effective_on=text.effective_on,
            zone=zone,
            window_before=timedelta(minutes=text.window_before),
            window_after=timedelta(minutes=text.window_after),
            late_grace=_minutes(text.late_grace),
            early_grace=_minutes(text.early_grace),
            pairing=text.pairing,
            counting=text.counting,
            half_day_below=_hours(text.half_day_below),
            absent_below=_hours(text.absent_below),
            debounce=timedelta(seconds=text.debounce),
        )


def _roster(where: str, text: RosterText, known: set[ShiftId]) -> RosterEntry:
    if text.shift not in known:
        raise ScenarioError(f"{where}.shift: no shift has the id {text.shift!r}")
    with _naming(where):
        return RosterEntry(ShiftId(text.shift), text.starts_on, text.until, frozenset(text.weekdays))


def _punch(where: str, text: PunchText, zone: ZoneInfo) -> Punch:
    with _naming(f"{where}.at"):
        at = datetime.fromisoformat(text.at)
    instant = start_instant(at.date(), at.time(), zone) if at.tzinfo is None else at.astimezone(UTC)
    return Punch(PunchId(text.id), instant, text.direction, text.method)


def _as_json(result: Attendance) -> dict[str, Any]:
    unscheduled = [ownership.punch.punch_id for ownership in result.unscheduled]
    days = [_day_as_json(day) for day in result.days]
    return {"days": days, "unscheduled": unscheduled, "review": unscheduled}


def _day_as_json(day: AttendanceDay) -> dict[str, Any]:
    return {
        "attendance_on": day.attendance_on.isoformat(),
        "shift": day.shift_id,
        "status": day.status.value,
        "worked_minutes": day.worked_minutes,
        "first_in": _instant_text(day.first_in_at),
        "last_out": _instant_text(day.last_out_at),
        "late": day.late,
        "late_minutes": day.late_minutes,
        "early": day.early,
        "early_minutes": day.early_minutes,
        "missing": day.missing.value if day.missing else None,
        "punches": list(day.punches),
        "explanation": explanation_as_json(day),
    }


def explanation_as_json(day: AttendanceDay) -> list[dict[str, str | None]]:
    """Return a day's explanation as it is stored and printed."""
    return [{"rule": entry.rule.value, "punch": entry.punch, "text": entry.text} for entry in day.explanation]


def _instant_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""The facts behind a day as they were recorded, each in words, for people who ask why a day is what it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.explain.stored_scenario import shift_text
from attendance_projector.projection.directory.rule_inputs import read_rule

Columns = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AskedFacts:
    """Whose facts, of which date, and between which instants a punch can matter to it."""

    org_id: str
    person_id: str
    on: date
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """A row under its id. `version`: since when it holds, or the round of a decision."""

    kind: str
    fact_id: str
    version: str | None
    recorded_at: datetime | None
    columns: Columns

    def text(self, zone: ZoneInfo) -> str:
        """Say it in one line; instants in the zone of the site."""
        return TEXTS[self.kind](self.columns, zone)


def local_text(at: object, zone: ZoneInfo) -> str:
    """Return an instant in local time, with the offset where two zones could be meant."""
    return at.astimezone(zone).isoformat(" ", "seconds") if isinstance(at, datetime) else "never"


def utc_text(at: datetime) -> str:
    """Return an instant in UTC."""
    return at.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


def _given(columns: Columns, **names: str) -> str:
    """Return `label value` for each column that has a value, joined by commas."""
    return ", ".join(
        f"{label} {columns[name]}".strip() for name, label in names.items() if columns[name] is not None
    )


def _listed(values: object) -> str:
    return " ".join(str(value).lower() for value in values) if isinstance(values, list) else ""


def _person(columns: Columns, _zone: ZoneInfo) -> str:
    shift = columns["default_shift_id"] or "none"
    text = f"home site {columns['home_site_id']}, default shift {shift}"
    dates = _given(columns, joined_on="joined", left_on="left")
    return f"{text}{', ' + dates if dates else ''}{'' if columns['active'] else ', inactive'}"


def _organisation(columns: Columns, _zone: ZoneInfo) -> str:
    policy, on = columns["default_policy"], columns["default_policy_on"]
    if policy is None:
        return f"type {columns['org_type']}"
    since = f"from {on} on" if on else "always"
    return f"type {columns['org_type']}, whose policy holds {since} where none is recorded: {policy}"


def _site(columns: Columns, zone: ZoneInfo) -> str:
    reported = columns["reported_until"]
    until = "not every device has reported" if reported is None else "every device has reported until "
    return f"zone {columns['time_zone']}; {until}{'' if reported is None else local_text(reported, zone)}"


def _device(columns: Columns, zone: ZoneInfo) -> str:
    newest = columns["newest_at"]
    if newest is None:
        return "has not reported from its first number on"
    return f"reported without a gap until number {columns['last_sequence']}, {local_text(newest, zone)}"


def _shift(columns: Columns, _zone: ZoneInfo) -> str:
    """Name the fields as files do, without those that are as usual."""
    version = read_rule("shift", date.min, str(columns["rule"]))
    usual = ("id", "start", "end", "rounding")
    fields = msgspec.to_builtins(shift_text(version))
    parts = [f"{version.start:%H:%M} to {version.end:%H:%M}"]
    parts += [f"{name} {value}" for name, value in fields.items() if name not in usual]
    if version.rounding is not None:
        parts.append(f"rounded {version.rounding.mode} to {version.rounding.minutes} min")
    return ", ".join(parts)


def _roster(columns: Columns, _zone: ZoneInfo) -> str:
    until = "open" if columns["ends_on"] is None else f"until {columns['ends_on']}"
    text = f"shift {columns['shift_id']} from {columns['starts_on']}, {until}"
    if columns["rotation_length"]:
        return f"{text}, days {_listed(columns['rotation_days'])} of {columns['rotation_length']}"
    return f"{text}, {_listed(columns['weekdays']) or 'every day'}"


def _policy(columns: Columns, _zone: ZoneInfo) -> str:
    of = f"site {columns['site_id']}" if columns["site_id"] else "the organisation"
    parts = [f"of {of}", f"weekly offs {_listed(columns['weekly_offs']) or 'none'}"]
    start = columns["flexible_day_start"]
    parts.append("no flexible days" if start is None else f"flexible days from {start}")
    parts.append("attendance is expected" if columns["expects_attendance"] else "nobody is waited for")
    return ", ".join(parts)


def _holiday(columns: Columns, _zone: ZoneInfo) -> str:
    of = f"site {columns['site_id']}" if columns["site_id"] else "the organisation"
    return f"of {of}, on {columns['holiday_on']}"


def _leave(columns: Columns, _zone: ZoneInfo) -> str:
    return f"{str(columns['part']).lower()}, from {columns['starts_on']} to {columns['ends_on']}"


def _punch(columns: Columns, zone: ZoneInfo) -> str:
    way = f" {str(columns['direction']).lower()}" if columns["direction"] else ""
    where = _given(columns, device_id="at", site_id="site")
    place = str(columns["placement"])
    if columns["placed_on"] is not None:
        place += f" {columns['placed_on']} {columns['placed_shift_id'] or ''}".rstrip()
    text = f"{local_text(columns['occurred_at'], zone)}{way} by {columns['method']} {where}".rstrip()
    return f"{text}; {place}"


def _capture(columns: Columns, zone: ZoneInfo) -> str:
    model = f"{columns['model_name']} {columns['model_version']}"
    score = columns["score"]
    scored = f", score {score:.3f}" if isinstance(score, float) else ""
    whom = f" {columns['person_id']}" if columns["person_id"] else ""
    at = local_text(columns["occurred_at"], zone)
    return f"{at} at {columns['device_id']}: {columns['outcome']}{whom} by {model}{scored}"


def _review(columns: Columns, _zone: ZoneInfo) -> str:
    whom = columns["person_id"] or "nobody who counts"
    return f"of capture {columns['capture_id']}: {whom}, by {columns['made_by']}: {columns['reason']}"


def _correction(columns: Columns, zone: ZoneInfo) -> str:
    what = {
        "ADD": lambda: f"adds punch {columns['punch_id']} at {local_text(columns['occurred_at'], zone)}",
        "VOID": lambda: f"voids {columns['punch_id'] or columns['voided_correction_id']}",
        "OVERRIDE": lambda: (
            f"makes {columns['attendance_on']} {columns['shift_id'] or 'every shift'} {columns['status']}"
        ),
    }[str(columns["kind"])]()
    return f"{what}, by {columns['made_by']}: {columns['reason']}"


def _pending(columns: Columns, zone: ZoneInfo) -> str:
    punch = f"{local_text(columns['occurred_at'], zone)} by {columns['method']} at {columns['device_id']}"
    return f"{punch}: belongs to the holder of the badge, now this person"


def _adjustment(columns: Columns, _zone: ZoneInfo) -> str:
    statuses = (str(columns[name] or "no day") for name in ("status_from", "status_to"))
    minutes = [
        f"{name} {columns[f'{name}_minutes']:+} min"
        for name in ("worked", "overtime", "late", "early", "break")
        if columns[f"{name}_minutes"]
    ]
    paid = "to be paid" if columns["settled_by"] is None else f"paid with lock {columns['settled_by']}"
    return ", ".join([" to ".join(statuses), *minutes, paid])


TEXTS: Mapping[str, Callable[[Columns, ZoneInfo], str]] = {
    "person": _person,
    "organisation": _organisation,
    "site": _site,
    "device": _device,
    "shift": _shift,
    "roster": _roster,
    "policy": _policy,
    "holiday": _holiday,
    "leave": _leave,
    "punch": _punch,
    "capture": _capture,
    "review": _review,
    "correction": _correction,
    "pending": _pending,
    "adjustment": _adjustment,
}

"""Directory events as the rules read them: shift versions, roster entries, zones.

An event that can never be right raises RuleError here, before anything of it is stored.
"""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    Counting,
    InvalidFact,
    PairingMode,
    RosterEntry,
    ShiftId,
    ShiftVersion,
)
from attendance_schemas.events import Event, OrganisationRecorded, RosterRecorded, ShiftRecorded, SiteRecorded


class ShiftRule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule column of a shift version: the fields of ShiftRecorded that the rules read."""

    start: time
    end: time
    time_zone: str | None
    window_before_minutes: int
    window_after_minutes: int
    late_grace_minutes: int | None
    early_grace_minutes: int | None
    pairing: str
    counting: str
    half_day_below_minutes: int | None
    absent_below_minutes: int | None
    debounce_seconds: int


def rule_of(event: ShiftRecorded) -> bytes:
    """Return the rule column of a shift version, as JSON."""
    fields = {name: getattr(event, name) for name in ShiftRule.__struct_fields__}
    return msgspec.json.encode(ShiftRule(**fields))


def read_rule(shift_id: str, effective_on: date, rule: str | bytes) -> ShiftVersion:
    """Return the shift version of a stored row. Raises InvalidFact."""
    fields = msgspec.json.decode(rule, type=ShiftRule)
    return ShiftVersion(
        shift_id=ShiftId(shift_id),
        start=fields.start,
        end=fields.end,
        effective_on=effective_on,
        zone=None if fields.time_zone is None else read_zone(fields.time_zone),
        window_before=timedelta(minutes=fields.window_before_minutes),
        window_after=timedelta(minutes=fields.window_after_minutes),
        late_grace=_minutes(fields.late_grace_minutes),
        early_grace=_minutes(fields.early_grace_minutes),
        pairing=PairingMode(fields.pairing.lower()),
        counting=Counting(fields.counting.lower()),
        half_day_below=_minutes(fields.half_day_below_minutes),
        absent_below=_minutes(fields.absent_below_minutes),
        debounce=timedelta(seconds=fields.debounce_seconds),
    )


def read_roster(shift_id: str, starts_on: date, ends_on: date | None, weekdays: list[str]) -> RosterEntry:
    """Return the roster entry of a stored row; no weekdays means every day. Raises InvalidFact."""
    named = frozenset(day.lower() for day in weekdays) or frozenset(MONDAY_TO_SUNDAY)
    return RosterEntry(ShiftId(shift_id), starts_on, ends_on, named)


def roster_entry(event: RosterRecorded) -> RosterEntry:
    """Return the roster entry of an event. Raises InvalidFact."""
    return read_roster(event.shift_id, event.starts_on, event.ends_on, list(event.weekdays))


def shift_version(event: ShiftRecorded) -> ShiftVersion:
    """Return the shift version of an event. Raises InvalidFact."""
    return read_rule(event.shift_id, event.effective_on, rule_of(event))


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name. Raises InvalidFact."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidFact("time_zone", f"{name!r} is no IANA time zone") from error


def check_directory_event(event: Event) -> None:
    """Raise InvalidFact when the event can never be applied."""
    if isinstance(event, ShiftRecorded):
        shift_version(event)
    elif isinstance(event, RosterRecorded):
        roster_entry(event)
    elif isinstance(event, SiteRecorded | OrganisationRecorded):
        read_zone(event.time_zone)


def _minutes(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)

"""Directory events as the rules read them: shift versions, roster entries, policies, leave, zones.

An event that can never be right raises RuleError here, before anything of it is stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    Counting,
    InvalidFact,
    PairingMode,
    RosterEntry,
    Rotation,
    Rounding,
    RoundingMode,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.schedule import SINCE_EVER, Employment, Leave, LeavePart, Policy
from attendance_projector.projection.stored import PersonKey, Terms
from attendance_schemas.events import (
    DefaultPolicy,
    Event,
    HolidayRecorded,
    LeaveRecorded,
    OrganisationRecorded,
    PersonRecorded,
    PersonTerms,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)

# A date that is farther off makes no month that anyone will ask for.
EARLIEST_ON = date(2000, 1, 1)
LATEST_ON = date(2099, 12, 31)
LONGEST_LEAVE = timedelta(days=3700)
ONE_DAY = timedelta(days=1)


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
    # Rows of the first read model end here.
    break_minutes: int = 0
    break_after_minutes: int = 360
    rounding: str | None = None
    rounding_minutes: int = 15
    overtime_after_minutes: int | None = None
    overtime_cap_minutes: int | None = None
    overtime_needs_approval: bool = False
    count_on_holiday: bool = False


def rule_of(event: ShiftRecorded) -> bytes:
    """Return the rule column of a shift version, as JSON."""
    fields = {name: getattr(event, name) for name in ShiftRule.__struct_fields__}
    return msgspec.json.encode(ShiftRule(**fields))


def read_rule(shift_id: str, effective_on: date, rule: str | bytes) -> ShiftVersion:
    """Return the shift version of a stored row. Raises InvalidFact."""
    fields = msgspec.json.decode(rule, type=ShiftRule)
    mode = fields.rounding
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
        break_time=timedelta(minutes=fields.break_minutes),
        break_after=timedelta(minutes=fields.break_after_minutes),
        rounding=None if mode is None else Rounding(fields.rounding_minutes, RoundingMode(mode.lower())),
        overtime_after=_minutes(fields.overtime_after_minutes),
        overtime_cap=_minutes(fields.overtime_cap_minutes),
        overtime_needs_approval=fields.overtime_needs_approval,
        count_on_holiday=fields.count_on_holiday,
    )


def shift_version(event: ShiftRecorded) -> ShiftVersion:
    """Return the shift version of an event. Raises InvalidFact."""
    return read_rule(event.shift_id, event.effective_on, rule_of(event))


def read_roster(
    shift_id: str,
    starts_on: date,
    ends_on: date | None,
    weekdays: Iterable[str],
    rotation_length: int | None,
    rotation_days: Iterable[int],
) -> RosterEntry:
    """Return the roster entry of a stored row; no weekdays means every day. Raises InvalidFact."""
    named = frozenset(day.lower() for day in weekdays) or frozenset(MONDAY_TO_SUNDAY)
    rotation = None if rotation_length is None else Rotation(rotation_length, frozenset(rotation_days))
    return RosterEntry(ShiftId(shift_id), starts_on, ends_on, named, rotation)


def roster_entry(event: RosterRecorded) -> RosterEntry:
    """Return the roster entry of an event. Raises InvalidFact."""
    return read_roster(
        event.shift_id,
        event.starts_on,
        event.ends_on,
        event.weekdays,
        event.rotation_length,
        event.rotation_days,
    )


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A version of a policy and whom it is for: people of a home site, or (None) of the organisation."""

    policy_id: str
    org_id: str
    site_id: str | None
    version: Policy


def read_policy(
    effective_on: date,
    weekly_offs: Iterable[str],
    flexible_day_start: time | None,
    expects_attendance: bool,
    policy_id: str,
) -> Policy:
    """Return the policy of a stored row; explanations call it by its id. Raises InvalidFact."""
    offs = frozenset(day.lower() for day in weekly_offs)
    return Policy(effective_on, offs, flexible_day_start, expects_attendance, policy_id)


def read_default_policy(org_type: str, policy: str | bytes, on: date | None) -> Policy:
    """Return the policy of an organisation's type, of a stored row. Raises InvalidFact."""
    fields = msgspec.json.decode(policy, type=DefaultPolicy)
    if fields.expects_attendance and on is None:
        raise InvalidFact("default_policy_on", f"{org_type} expects attendance; say from which date on")
    return read_policy(
        on or SINCE_EVER,
        fields.weekly_offs,
        fields.flexible_day_start,
        fields.expects_attendance,
        f"of the type {org_type}",
    )


def policies_of_site(
    rows: Iterable[PolicyRow], org_id: str, site_id: str, default: Policy | None = None
) -> tuple[Policy, ...]:
    """Return what is in force for a home site, in order of effect.

    From a site's first version on, only its own count; before, those of the organisation; before these, the
    default of the organisation's type. Of two versions from the same date on, the one with the greater
    policy_id stands.
    """
    chosen: dict[bool, dict[date, PolicyRow]] = {True: {}, False: {}}
    for row in sorted(rows, key=lambda row: row.policy_id):
        if row.org_id == org_id and row.site_id in {None, site_id}:
            chosen[row.site_id is not None][row.version.effective_on] = row
    own_from = min(chosen[True], default=date.max)
    in_force = {on: row for on, row in chosen[False].items() if on < own_from} | chosen[True]
    versions = tuple(in_force[on].version for on in sorted(in_force))
    if default is None or (versions and versions[0].effective_on <= default.effective_on):
        return versions
    return (default, *versions)


def policy_row(event: PolicyRecorded) -> PolicyRow:
    """Return the policy version of an event. Raises InvalidFact."""
    version = read_policy(
        event.effective_on,
        event.weekly_offs,
        event.flexible_day_start,
        event.expects_attendance,
        event.policy_id,
    )
    return PolicyRow(event.policy_id, event.org_id, event.site_id, version)


def default_policy(event: OrganisationRecorded) -> Policy | None:
    """Return the policy that holds where none is recorded. Raises InvalidFact."""
    policy = event.default_policy
    if policy is None:
        return None
    return read_default_policy(event.org_type, msgspec.json.encode(policy), event.default_policy_on)


@dataclass(frozen=True, slots=True)
class LeaveRow:
    """A person's leave between two local dates, inclusive."""

    person: PersonKey
    starts_on: date
    ends_on: date
    part: LeavePart

    def __post_init__(self) -> None:
        if self.ends_on < self.starts_on:
            raise InvalidFact("ends_on", f"{self.ends_on} is before {self.starts_on}, when the leave starts")
        if self.ends_on - self.starts_on > LONGEST_LEAVE:
            raise InvalidFact("ends_on", f"leave of more than {LONGEST_LEAVE.days} days; record it in parts")

    def dates(self) -> Sequence[Leave]:
        """Return the leave of each date."""
        days = (self.ends_on - self.starts_on).days + 1
        return [Leave(self.starts_on + ONE_DAY * number, self.part) for number in range(days)]


def leave_row(event: LeaveRecorded) -> LeaveRow:
    """Return the leave of an event. Raises InvalidFact."""
    return LeaveRow(
        PersonKey(event.org_id, event.person_id),
        event.starts_on,
        event.ends_on,
        LeavePart(event.part.lower()),
    )


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name. Raises InvalidFact."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidFact("time_zone", f"{name!r} is no IANA time zone") from error


def check_directory_event(event: Event) -> None:
    """Raise InvalidFact when the event can never be applied."""
    match event:
        case ShiftRecorded():
            shift_version(event)
        case RosterRecorded():
            roster_entry(event)
        case SiteRecorded():
            read_zone(event.time_zone)
        case OrganisationRecorded():
            read_zone(event.time_zone)
            default_policy(event)
            _check_dates("default_policy_on", event.default_policy_on or EARLIEST_ON)
        case PersonRecorded():
            Employment(event.joined_on, event.left_on, event.active)
            _check_history(event)
        case LeaveRecorded():
            leave_row(event)
            _check_dates("starts_on", event.starts_on, event.ends_on)
        case HolidayRecorded():
            _check_dates("holiday_on", event.holiday_on)
        case PolicyRecorded():
            policy_row(event)
            _check_dates("effective_on", event.effective_on)


def earlier_terms(terms: PersonTerms) -> Terms:
    """Return what held of a person before. Raises InvalidFact."""
    employment = Employment(terms.joined_on, terms.left_on, terms.active)
    return Terms(terms.home_site_id, terms.default_shift_id, employment)


def _check_history(event: PersonRecorded) -> None:
    dates = [terms.replaced_on for terms in event.earlier if earlier_terms(terms)]
    if dates != sorted(set(dates)):
        raise InvalidFact("earlier", "terms come in order, and none is replaced on the date of another")


def _check_dates(field: str, *dates: date) -> None:
    for on in dates:
        if not EARLIEST_ON <= on <= LATEST_ON:
            raise InvalidFact(field, f"{on} is not between {EARLIEST_ON} and {LATEST_ON}")


def _minutes(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)

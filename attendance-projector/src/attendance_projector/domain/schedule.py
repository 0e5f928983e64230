"""What one person is meant to work: the shifts of a local date, in the version that is in effect on it.

Roster entries beat the default shift: the default applies on dates on which no entry gives a shift. Several
entries on one date are split shifts. Facts are effective-dated: a new version of a shift never changes the
dates before it, and a shift has no instance before its first version.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import (
    MONDAY_TO_SUNDAY,
    NOTHING,
    InvalidFact,
    RosterEntry,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.local_time import start_instant


class LeavePart(StrEnum):
    """How much of a date the leave takes."""

    FULL = "full"
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Leave:
    """The person is on leave on a local date. The same leave twice is one leave."""

    on: date
    part: LeavePart = LeavePart.FULL


@dataclass(frozen=True, slots=True)
class Employment:
    """When work is expected of the person at all; both dates are inclusive, None leaves a side open."""

    joined_on: date | None = None
    left_on: date | None = None
    active: bool = True

    def __post_init__(self) -> None:
        if self.joined_on is not None and self.left_on is not None and self.left_on < self.joined_on:
            raise InvalidFact("left_on", f"{self.left_on} is before {self.joined_on}, when the person joined")

    def covers(self, on: date) -> bool:
        """Say whether the person works here on this local date."""
        has_joined = self.joined_on is None or self.joined_on <= on
        return self.active and has_joined and (self.left_on is None or on <= self.left_on)


ALWAYS_EMPLOYED = Employment()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a site or an organisation asks of everybody, from `effective_on` until the next version.

    `flexible_day_start` None: punches in no shift's window are for review. Otherwise they make flexible days
    that begin at this local time. `expects_attendance`: a shift without a punch makes a day, too.
    """

    effective_on: date = date.min
    weekly_offs: frozenset[str] = frozenset()
    flexible_day_start: time | None = None
    expects_attendance: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.weekly_offs - set(MONDAY_TO_SUNDAY))
        if unknown:
            raise InvalidFact("weekly_offs", f"{', '.join(unknown)} is no weekday; use mon to sun")


# What holds always, as versions and files write it.
SINCE_EVER = date(1900, 1, 1)
USUAL_POLICY = Policy()
# Where nothing was recorded, nobody is waited for.
NO_POLICY = Policy(expects_attendance=False)


def policy_on(policies: Sequence[Policy], on: date) -> Policy:
    """Return the policy in effect on a local date; the versions come in order of effect."""
    number = bisect_right(policies, on, key=lambda policy: policy.effective_on)
    return policies[number - 1] if number else NO_POLICY


@dataclass(frozen=True, slots=True)
class Schedule:
    """One person's shifts and roster, and the dates off. `zone` is the zone of the home site.

    `policies` are the versions in the order in which they take effect. Ask by date or instant: another home
    may have been in force then. `shifts`, `roster` and `leave` are those of all times.
    """

    zone: ZoneInfo
    shifts: tuple[ShiftVersion, ...] = ()
    roster: tuple[RosterEntry, ...] = ()
    default_shift: ShiftId | None = None
    holidays: frozenset[date] = frozenset()
    leave: frozenset[Leave] = frozenset()
    employment: Employment = ALWAYS_EMPLOYED
    policies: tuple[Policy, ...] = (USUAL_POLICY,)
    # What was in force before another home, default shift or employment: each until a date.
    earlier: tuple[tuple[date, "Schedule"], ...] = ()
    # The longest windows before and after any of the shifts.
    longest_before: timedelta = field(init=False, compare=False, repr=False)
    longest_after: timedelta = field(init=False, compare=False, repr=False)
    # What `shift_windows` worked out about spans of dates: a memo, no part of the facts.
    memo: dict[tuple[object, ...], Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        starts = [policy.effective_on for policy in self.policies]
        if starts != sorted(set(starts)):
            raise InvalidFact("policies", "give one version for a date, and the versions in order")
        seen: dict[tuple[ShiftId, date], ShiftVersion] = {}
        for shift in self.shifts:
            if seen.setdefault((shift.shift_id, shift.effective_on), shift) != shift:
                problem = f"shift {shift.shift_id} has two versions from {shift.effective_on} on; keep one"
                raise InvalidFact("shifts", problem)
        before = max((shift.window_before for shift in self.shifts), default=NOTHING)
        after = max((shift.window_after for shift in self.shifts), default=NOTHING)
        object.__setattr__(self, "longest_before", before)
        object.__setattr__(self, "longest_after", after)

    @property
    def dated(self) -> "Dated[Schedule]":
        """All that was in force at any time, by date."""
        return Dated(self, self.earlier)

    def at(self, on: date) -> "Schedule":
        """Return what is in force on a local date."""
        return self.dated.on(on) if self.earlier else self

    def zone_on(self, on: date) -> ZoneInfo:
        """Return the zone of the home site on a local date."""
        return self.at(on).zone

    def zone_at(self, at: datetime) -> ZoneInfo:
        """Return the zone of the home site at an instant; another begins at midnight of the one before."""
        for replaced_on, schedule in self.earlier:
            if at < start_instant(replaced_on, time(), schedule.zone):
                return schedule.zone
        return self.zone

    def zone_of(self, shift: ShiftVersion, on: date) -> ZoneInfo:
        """Return the zone of the shift's local times: its own, or else the home site's."""
        return shift.zone or self.zone_on(on)

    def policy_on(self, on: date) -> Policy:
        """Return the policy in effect on a local date."""
        return policy_on(self.at(on).policies, on)

    def is_employed(self, on: date) -> bool:
        """Say whether the person works here on a local date."""
        return self.at(on).employment.covers(on)

    def is_holiday(self, on: date) -> bool:
        """Say whether a local date is a holiday of the home site."""
        return on in self.at(on).holidays

    def expects(self, on: date) -> bool:
        """Say whether a shift on this local date makes a day even without a punch."""
        return self.is_employed(on) and self.policy_on(on).expects_attendance


def shift_ids_on(schedule: Schedule, on: date) -> list[ShiftId]:
    """Roster beats default: return the ids of the shifts given on this local date, in order, each once."""
    rostered = {entry.shift_id for entry in schedule.roster if entry.gives_shift_on(on)}
    if rostered:
        return sorted(rostered)
    default_shift = schedule.at(on).default_shift
    return [] if default_shift is None else [default_shift]


def version_on(versions: Iterable[ShiftVersion], shift_id: ShiftId, on: date) -> ShiftVersion | None:
    """Effective dating: return the newest version of the shift that is in effect on this local date."""
    in_effect = [
        version for version in versions if version.shift_id == shift_id and version.effective_on <= on
    ]
    return max(in_effect, key=lambda version: version.effective_on, default=None)


def shifts_on(schedule: Schedule, on: date) -> list[ShiftVersion]:
    """Return the shifts of this local date in the versions in effect on it."""
    versions = (version_on(schedule.shifts, shift_id, on) for shift_id in shift_ids_on(schedule, on))
    return [version for version in versions if version is not None]

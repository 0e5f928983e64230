"""The facts that the rules read: punches, shifts as recorded from a date on, and roster entries.

All values are frozen. Instants are aware, local dates carry no zone, durations are timedelta. A fact that can
never be right is refused here, with the field that is wrong, so that no rule has to think about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NewType
from zoneinfo import ZoneInfo

PunchId = NewType("PunchId", str)
ShiftId = NewType("ShiftId", str)

NOTHING = timedelta(0)
LONGEST_WINDOW = timedelta(days=7)
MONDAY_TO_SUNDAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class RuleError(Exception):
    """The facts contradict each other or themselves. Correct the named fact and record it again."""


class InvalidFact(RuleError):
    """A field of a fact has a value that can never be right."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field}: {problem}")


class Direction(StrEnum):
    """Which way the person went, where the device knows it."""

    IN = "in"
    OUT = "out"


class PairingMode(StrEnum):
    """How punches become ins and outs."""

    ALTERNATING = "alternating"
    DIRECTED = "directed"


class Counting(StrEnum):
    """Which time between ins and outs is work."""

    FIRST_LAST = "first_last"
    EVERY_PAIR = "every_pair"


@dataclass(frozen=True, slots=True)
class Punch:
    """A person was at a device at an instant."""

    punch_id: PunchId
    occurred_at: datetime
    direction: Direction | None = None
    method: str = "face"

    def __post_init__(self) -> None:
        if self.occurred_at.utcoffset() is None:
            raise InvalidFact("occurred_at", f"punch {self.punch_id} has no offset; give an aware instant")


@dataclass(frozen=True, slots=True)
class ShiftVersion:
    """A shift as it is from `effective_on` until its next version. `None` turns a rule off.

    `end <= start` crosses midnight. `zone` is set only when the shift names its own zone.
    """

    shift_id: ShiftId
    start: time
    end: time
    effective_on: date = date.min
    zone: ZoneInfo | None = None
    window_before: timedelta = timedelta(minutes=60)
    window_after: timedelta = timedelta(minutes=60)
    late_grace: timedelta | None = None
    early_grace: timedelta | None = None
    pairing: PairingMode = PairingMode.ALTERNATING
    counting: Counting = Counting.FIRST_LAST
    half_day_below: timedelta | None = None
    absent_below: timedelta | None = None
    debounce: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        for field in ("window_before", "window_after", "late_grace", "early_grace", "debounce"):
            value: timedelta | None = getattr(self, field)
            if value is not None and value < NOTHING:
                raise InvalidFact(field, f"shift {self.shift_id} has {value}; give zero or more")
        for field in ("window_before", "window_after"):
            if getattr(self, field) > LONGEST_WINDOW:
                raise InvalidFact(field, f"shift {self.shift_id} has more than {LONGEST_WINDOW}; give less")
        for field in ("half_day_below", "absent_below"):
            value = getattr(self, field)
            if value is not None and value <= NOTHING:
                raise InvalidFact(
                    field, f"shift {self.shift_id} has {value}; give more than zero, or leave it out"
                )


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """Give a person a shift on the weekdays named, from `starts_on` until `ends_on`, both inclusive."""

    shift_id: ShiftId
    starts_on: date
    ends_on: date | None = None
    weekdays: frozenset[str] = frozenset(MONDAY_TO_SUNDAY)

    def __post_init__(self) -> None:
        unknown = sorted(self.weekdays - set(MONDAY_TO_SUNDAY))
        if unknown:
            known = ", ".join(MONDAY_TO_SUNDAY)
            raise InvalidFact("weekdays", f"{', '.join(unknown)} is no weekday; use {known}")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise InvalidFact("ends_on", f"{self.ends_on} is before {self.starts_on}, when the entry starts")

    def gives_shift_on(self, on: date) -> bool:
        """Say whether the entry gives its shift on this local date."""
        if on < self.starts_on or (self.ends_on is not None and on > self.ends_on):
            return False
        return MONDAY_TO_SUNDAY[on.weekday()] in self.weekdays


def distinct_punches(punches: Iterable[Punch]) -> list[Punch]:
    """Drop repetitions of the same fact and order by instant, then by id, so that input order is nothing.

    Raises RuleError when one id comes with two different facts.
    """
    by_id: dict[PunchId, Punch] = {}
    for punch in punches:
        known = by_id.setdefault(punch.punch_id, punch)
        if known != punch:
            raise RuleError(
                f"punch {punch.punch_id} is given twice with different facts; keep the one recorded first"
            )
    return sorted(by_id.values(), key=lambda punch: (punch.occurred_at, punch.punch_id))

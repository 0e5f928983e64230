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
NEVER_NEGATIVE = (
    "window_before",
    "window_after",
    "late_grace",
    "early_grace",
    "debounce",
    "break_time",
    "break_after",
    "overtime_after",
    "overtime_cap",
)
LONGEST_WINDOW = timedelta(days=7)
LONGEST_ROUNDING = 1440
LONGEST_ROTATION = 366
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


class RoundingMode(StrEnum):
    """Which way reported minutes are rounded; `nearest` takes a half up."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class Rounding:
    """Report minutes in steps of so many."""

    minutes: int
    mode: RoundingMode

    def __post_init__(self) -> None:
        if not 1 <= self.minutes <= LONGEST_ROUNDING:
            raise InvalidFact("rounding.minutes", f"{self.minutes} is not from 1 to {LONGEST_ROUNDING}")


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
    break_time: timedelta = NOTHING
    break_after: timedelta = timedelta(hours=6)
    rounding: Rounding | None = None
    overtime_after: timedelta | None = None
    overtime_cap: timedelta | None = None
    overtime_needs_approval: bool = False
    count_on_holiday: bool = False

    def __post_init__(self) -> None:
        for field in NEVER_NEGATIVE:
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

    def __hash__(self) -> int:
        # Of what tells versions apart, not of every field.
        return hash((self.shift_id, self.effective_on, self.start, self.end))


@dataclass(frozen=True, slots=True)
class Rotation:
    """Days of a cycle of `length` days that repeats; day 1 is the date on which the roster entry starts."""

    length: int
    days: frozenset[int]

    def __post_init__(self) -> None:
        if not 1 <= self.length <= LONGEST_ROTATION:
            raise InvalidFact("rotation.length", f"{self.length} is not from 1 to {LONGEST_ROTATION}")
        outside = sorted(day for day in self.days if not 1 <= day <= self.length)
        if outside or not self.days:
            raise InvalidFact("rotation.days", f"give days from 1 to {self.length}, not {outside or 'none'}")


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """Give a person a shift from `starts_on` until `ends_on`, both inclusive.

    On the weekdays named, or on the days of a rotation.
    """

    shift_id: ShiftId
    starts_on: date
    ends_on: date | None = None
    weekdays: frozenset[str] = frozenset(MONDAY_TO_SUNDAY)
    rotation: Rotation | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.weekdays - set(MONDAY_TO_SUNDAY))
        if unknown:
            known = ", ".join(MONDAY_TO_SUNDAY)
            raise InvalidFact("weekdays", f"{', '.join(unknown)} is no weekday; use {known}")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise InvalidFact("ends_on", f"{self.ends_on} is before {self.starts_on}, when the entry starts")
        if self.rotation is not None and self.weekdays != frozenset(MONDAY_TO_SUNDAY):
            raise InvalidFact("rotation", "give weekdays or a rotation, not both")

    def gives_shift_on(self, on: date) -> bool:
        """Say whether the entry gives its shift on this local date."""
        if on < self.starts_on or (self.ends_on is not None and on > self.ends_on):
            return False
        if self.rotation is not None:
            return (on - self.starts_on).days % self.rotation.length + 1 in self.rotation.days
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
    return sorted(by_id.values(), key=_order_of_punches)


def _order_of_punches(punch: Punch) -> tuple[datetime, PunchId]:
    return punch.occurred_at, punch.punch_id

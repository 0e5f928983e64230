"""Which shifts somebody has on which dates, and roster entries that give two on one date.

An entry gives its shift by weekday or by rotation between two local dates; a person's default shift holds on
dates without any. Source: the rules of attendance.
"""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from functools import lru_cache
from math import gcd, lcm
from typing import NamedTuple

from attendance_schemas.events import PersonRecorded, RosterRecorded, Weekday
from ingest.domain.person_history import default_shift_on
from ingest.errors import FieldError

ONE_DAY = timedelta(days=1)
WEEK = 7
# More dates than this are not looked at one by one: two cycles that can meet are taken to meet.
MOST_DATES = 1000
# Decades of an entry every month: each is held against all others of the person.
MOST_ENTRIES = 1000


class _Cycle(NamedTuple):
    """The length of a cycle, its days with the shift, from 0, and these days over many rounds, as bits."""

    length: int
    days: frozenset[int]
    rounds: int


def gives_shift_on(entry: RosterRecorded, on: date) -> bool:
    """Say whether an entry gives its shift on a local date."""
    if on < entry.starts_on or (entry.ends_on is not None and on > entry.ends_on):
        return False
    cycle = _cycle(entry)
    return (on - entry.starts_on).days % cycle.length in cycle.days


def shifts_on(person: PersonRecorded, entries: Iterable[RosterRecorded], on: date) -> set[str]:
    """Return the shifts of a person on a local date."""
    rostered = {entry.shift_id for entry in entries if gives_shift_on(entry, on)}
    default = default_shift_on(person, on)
    return rostered or (set() if default is None else {default})


def check_entry(entry: RosterRecorded, others: Collection[RosterRecorded]) -> list[FieldError]:
    """Return why an entry cannot stand beside the others of its person: one gives another shift then."""
    others = [other for other in others if other.roster_id != entry.roster_id]
    if len(others) >= MOST_ENTRIES:
        message = f"{entry.person_id} has {len(others)} entries; take those back that are over"
        return [FieldError("person_id", message)]
    for other in others:
        is_meant = entry.in_addition or other.in_addition or entry.shift_id == other.shift_id
        if not is_meant and (on := first_date_of_both(entry, other)) is not None:
            until = "is open" if other.ends_on is None else f"runs until {other.ends_on}"
            how = (
                f"record {other.roster_id} with ends_on {entry.starts_on - ONE_DAY}"
                if other.starts_on < entry.starts_on
                else f"take {other.roster_id} back, or end this one before {other.starts_on}"
            )
            message = (
                f"{entry.person_id} has shift {other.shift_id} by entry {other.roster_id}, which {until}, on "
                f"{on} too; {how}, or say in_addition when both are worked"
            )
            return [FieldError("shift_id", message)]
    return []


def first_date_of_both(one: RosterRecorded, other: RosterRecorded) -> date | None:
    """Return a date on which both entries give a shift, the first if it is near; None: there is none."""
    first_on = max(one.starts_on, other.starts_on)
    last_on = min(one.ends_on or date.max, other.ends_on or date.max)
    if first_on > last_on or not _can_meet(one, other):
        return None
    dates = min((last_on - first_on).days + 1, lcm(_cycle(one).length, _cycle(other).length))
    near = (1 << min(dates, MOST_DATES)) - 1
    both = _dates_from(one, first_on) & _dates_from(other, first_on) & near
    if both:
        return first_on + _lowest_bit(both) * ONE_DAY
    return first_on if dates > MOST_DATES else None


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _can_meet(one: RosterRecorded, other: RosterRecorded) -> bool:
    """Say whether two cycles without end have a date in common: when they agree on what divides both."""
    cycle, other_cycle = _cycle(one), _cycle(other)
    divisor, shift = gcd(cycle.length, other_cycle.length), (other.starts_on - one.starts_on).days
    days = {day % divisor for day in cycle.days}
    return not days.isdisjoint((day + shift) % divisor for day in other_cycle.days)


def _dates_from(entry: RosterRecorded, on: date) -> int:
    """Return the dates with the shift, if the entry had no end, as bits: bit 0 is for `on`."""
    cycle = _cycle(entry)
    return cycle.rounds >> (on - entry.starts_on).days % cycle.length


def _cycle(entry: RosterRecorded) -> _Cycle:
    """Return the cycle of an entry; its first day is the first date."""
    if entry.rotation_length is not None:
        return _made_cycle(entry.rotation_length, entry.rotation_days, 1)
    weekdays = tuple(number for number, day in enumerate(Weekday) if day in (entry.weekdays or Weekday))
    return _made_cycle(WEEK, weekdays, entry.starts_on.weekday())


@lru_cache(maxsize=4096)
def _made_cycle(length: int, numbers: tuple[int, ...], first: int) -> _Cycle:
    """Return a cycle of the numbers of its days, the first of which is `first`.

    Kept, since each entry is held against up to a thousand others.
    """
    days = frozenset((number - first) % length for number in numbers)
    once = sum(1 << day for day in days)
    rounds = sum(once << start for start in range(0, length + MOST_DATES, length))
    return _Cycle(length, days, rounds)

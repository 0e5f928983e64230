"""How presence lies in the cache: the keys and values that attendance-projector writes and query-api reads.

A fill of the cache is a generation of its own, under keys that carry its name. The marker names the
generation that is whole, and only while somebody keeps it fresh. Beside the days lies how many each
organisation has: where a cache has lost some of them, the two differ. So there is all presence or none, never
a part of it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

SEPARATOR = "\x1f"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
COUNTED = ""
# An open day is put into the cache until this long after `open_since`; readers ask for less.
CACHED_FOR = timedelta(hours=17)


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A day with an in that nothing has closed yet; `open_since` UTC."""

    org_id: str
    site_id: str
    person_id: str
    attendance_on: date
    shift_id: str
    open_since: datetime


def marker_key(prefix: str) -> str:
    """Return the key that holds the name of the whole generation. prefix: of the installation."""
    return f"{prefix}presence:complete"


def days_key(prefix: str, generation: str, org_id: str) -> str:
    """Return the key of the hash of an organisation's open days."""
    return f"{prefix}presence:{generation}:{org_id}"


def counts_key(prefix: str, generation: str) -> str:
    """Return the key of the hash of counts: how many open days each organisation has in its hash.

    It has a field COUNTED, too, from the generation's beginning: without it the counts were lost. Its value
    is for the keeper: how many changes were put, so that a cache that went back to an earlier state shows.
    """
    return f"{prefix}presence:{generation}"


def day_field(person_id: str, attendance_on: date, shift_id: str) -> str:
    """Return the field of a day in that hash."""
    return SEPARATOR.join((person_id, attendance_on.isoformat(), shift_id))


def day_value(day: OpenDay) -> str:
    """Return the value of a day in that hash."""
    return f"{day.site_id}{SEPARATOR}{(day.open_since - EPOCH) // MICROSECOND}"


def read_day(org_id: str, field: str, value: str) -> OpenDay:
    """Return the day of a field and its value. Raises ValueError when they are no such thing."""
    person_id, on, shift_id = field.split(SEPARATOR)
    site_id, microseconds = value.split(SEPARATOR)
    open_since = EPOCH + int(microseconds) * MICROSECOND
    return OpenDay(org_id, site_id, person_id, date.fromisoformat(on), shift_id, open_since)

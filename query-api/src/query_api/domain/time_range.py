"""The ranges that queries span. Tables are partitioned by month, so a range decides what is read at all.

The device makes a capture's id (UUIDv7) at the moment of the capture, so the id itself says which months to
read. Devices whose clock was wrong get a second, wider look.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from query_api.errors import InvalidRange

ONE_DAY = timedelta(days=1)
LONGEST_DATE_RANGE_DAYS = 366
LONGEST_INSTANT_RANGE = timedelta(days=93)

# An offline kiosk keeps captures for 30 days, and `occurred_at` is corrected by days at most.
BEFORE_ID_INSTANT = timedelta(days=35)
AFTER_ID_INSTANT = timedelta(days=2)
# The topic of decisions keeps 400 days; nothing older can still be asked for by a device.
DECISIONS_KEPT = timedelta(days=400)
# A person who forgot to leave is not counted as present for ever.
PRESENT_AT_MOST = timedelta(hours=16)

_UUID7 = 7
_MILLISECOND_SHIFT = 80
# Beyond this the arithmetic would leave the calendar; no device means it.
_LATEST_ID_INSTANT = datetime(9000, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DateRange:
    """Local dates, both inclusive."""

    first_on: date
    last_on: date

    def instants(self) -> "InstantRange":
        """Return instants around these dates in every zone: dates begin 14 h before UTC's to 12 h after."""
        starts_at, ends_at = (datetime.combine(on, time(), UTC) for on in (self.first_on, self.last_on))
        return InstantRange(starts_at - ONE_DAY, ends_at + 2 * ONE_DAY)

    def starting_at(self, first_on: date) -> "DateRange":
        """Return the part of the range from this date on."""
        return DateRange(max(self.first_on, first_on), self.last_on)


@dataclass(frozen=True, slots=True)
class InstantRange:
    """Instants, UTC: the start inclusive, the end exclusive."""

    starts_at: datetime
    ends_at: datetime

    def until(self, last_at: datetime) -> "InstantRange":
        """Return the part of the range up to this instant, inclusive."""
        return InstantRange(self.starts_at, min(self.ends_at, last_at + timedelta(microseconds=1)))


def date_range(first_on: date, last_on: date) -> DateRange:
    """Return the range of these dates, both inclusive. Raises InvalidRange when reversed or over 366 days."""
    days = (last_on - first_on).days + 1
    if days < 1:
        raise InvalidRange(f"`to` ({last_on}) is before `from` ({first_on}); exchange them")
    if days > LONGEST_DATE_RANGE_DAYS:
        raise InvalidRange(f"{days} days are asked for; ask for {LONGEST_DATE_RANGE_DAYS} at most")
    return DateRange(first_on, last_on)


def instant_range(starts_at: datetime, ends_at: datetime) -> InstantRange:
    """Return the range of these aware instants. Raises InvalidRange when empty, reversed or over 93 days."""
    if ends_at <= starts_at:
        raise InvalidRange(f"`to` ({ends_at.isoformat()}) is not after `from` ({starts_at.isoformat()})")
    if ends_at - starts_at > LONGEST_INSTANT_RANGE:
        raise InvalidRange(
            f"the range is longer than {LONGEST_INSTANT_RANGE.days} days; ask for less at a time"
        )
    return InstantRange(starts_at.astimezone(UTC), ends_at.astimezone(UTC))


def instant_of(capture_id: UUID) -> datetime | None:
    """Return the instant inside a UUIDv7 (RFC 9562, milliseconds), or None for any other id."""
    if capture_id.version != _UUID7:
        return None
    try:
        instant = _EPOCH + timedelta(milliseconds=capture_id.int >> _MILLISECOND_SHIFT)
    except OverflowError:
        return None
    return instant if instant < _LATEST_ID_INSTANT else None


def likely_range(capture_id: UUID) -> InstantRange | None:
    """Return where a capture most likely lies, or None when its id does not tell."""
    instant = instant_of(capture_id)
    if instant is None:
        return None
    return InstantRange(instant - BEFORE_ID_INSTANT, instant + AFTER_ID_INSTANT)


def kept_range(now: datetime) -> InstantRange:
    """Return where any capture that is still kept lies: the second look."""
    return InstantRange(now - DECISIONS_KEPT, now + AFTER_ID_INSTANT)

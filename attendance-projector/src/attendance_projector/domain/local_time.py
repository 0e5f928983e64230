"""Local wall-clock times to instants, on the days when a zone changes its offset too.

A time that does not exist moves forward by the length of the gap (02:30 becomes 03:30). A time that exists
twice is the first occurrence for a start and the last one for an end, so that a shift covers both.
"""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def start_instant(on: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which something that starts at this local time starts."""
    return datetime.combine(on, at, zone).replace(fold=0).astimezone(UTC)


def end_instant(on: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which something that ends at this local time ends."""
    first = datetime.combine(on, at, zone).replace(fold=0).astimezone(UTC)
    last = datetime.combine(on, at, zone).replace(fold=1).astimezone(UTC)
    # In a gap, fold 1 reads the later offset and so names the earlier instant: backward, not forward.
    return max(first, last)

"""Times as people write them, in the zone of the machine that they sit at."""

import re
from datetime import UTC, datetime, time, timedelta

from attendance_ops.errors import WrongSelection

_AGO = re.compile(r"(\d+)\s*(s|m|h|d)(?: ago)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# A longer text is none of these.
LONGEST = 40
LONGEST_DURATION = timedelta(days=3650)
FORMS = "08:00, 2026-11-30, 2026-11-30T08:00, 2026-11-30T08:00Z or 90m (ago)"


def instant_of(text: str, now: datetime) -> datetime:
    """Return the UTC instant that is meant; without a zone in that of `now`, a bare time the last such.

    Raises:
        WrongSelection: it reads as no time, or none that a calendar has.
    """
    try:
        return _instant_of(text, now)
    except (OverflowError, ValueError):
        raise WrongSelection(f"{text[:LONGEST]!r} reads as no time; write {FORMS}") from None


def _instant_of(text: str, now: datetime) -> datetime:
    if ago := _AGO.fullmatch(text.strip()):
        return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).astimezone(UTC)
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        pass
    else:
        today = now.replace(
            hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=clock.microsecond
        )
        return (today if today <= now else today - timedelta(days=1)).astimezone(UTC)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=now.tzinfo)).astimezone(UTC)


def duration_of(text: str) -> timedelta:
    """Return how long `10m` or `2 d` is. Raises WrongSelection."""
    if (found := _AGO.fullmatch(text.strip())) is None or text.rstrip().endswith("ago"):
        raise WrongSelection(f"{text[:LONGEST]!r} reads as no duration; write 30s, 10m, 2h or 7d")
    try:
        duration = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        duration = timedelta.max
    if duration > LONGEST_DURATION:
        raise WrongSelection(
            f"{text[:LONGEST]!r} reads as no duration of this kind; it is longer than ten years"
        )
    return duration


def shown(instant: datetime) -> str:
    """Return an instant for people: UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(duration: timedelta) -> str:
    """Return a duration for people: its two largest units."""
    seconds = int(duration.total_seconds())
    parts = [
        (seconds // 86_400, "d"),
        (seconds % 86_400 // 3_600, "h"),
        (seconds % 3_600 // 60, "min"),
        (seconds % 60, "s"),
    ]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"

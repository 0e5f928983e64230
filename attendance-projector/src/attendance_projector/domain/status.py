"""The status of a day, and the marks late and early. The first rule that holds gives the status."""

from datetime import datetime, timedelta
from enum import StrEnum

from attendance_projector.domain.counting import hours_text
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, ShiftVersion
from attendance_projector.domain.shift_windows import ShiftInstance


class Status(StrEnum):
    """What a day counts as."""

    PRESENT = "PRESENT"
    INCOMPLETE = "INCOMPLETE"
    HALF_DAY = "HALF_DAY"
    ABSENT = "ABSENT"
    PENDING = "PENDING"
    LEAVE = "LEAVE"
    HOLIDAY = "HOLIDAY"
    WEEKLY_OFF = "WEEKLY_OFF"


def status_of(
    worked: timedelta,
    shift: ShiftVersion,
    *,
    is_closed: bool,
    on_half_leave: bool = False,
    is_employed: bool = True,
) -> tuple[Status, Explanation]:
    """Return ABSENT or HALF_DAY by threshold, INCOMPLETE when no time is closed, or PRESENT.

    Thresholds compare with the exact time worked after the break, not with reported minutes. With a threshold
    set, a day whose time was never closed worked nothing and so falls below it. On half leave half a day is
    asked: thresholds are halved, and the best status is HALF_DAY. A person who does not work here is never
    absent.
    """
    share = 2 if on_half_leave else 1
    absent_below = None if shift.absent_below is None or not is_employed else shift.absent_below / share
    half_day_below = None if shift.half_day_below is None else shift.half_day_below / share
    text = hours_text(worked)
    if absent_below is not None and worked < absent_below:
        return _status(Status.ABSENT, f"{text} is below {hours_text(absent_below)}")
    if half_day_below is not None and worked < half_day_below:
        return _status(Status.HALF_DAY, f"{text} is below {hours_text(half_day_below)}")
    if not is_closed:
        return _status(Status.INCOMPLETE, "no in has an out, and no threshold decides")
    if on_half_leave:
        return _status(Status.HALF_DAY, f"{text}; the other half is leave")
    return _status(Status.PRESENT, f"{text} is below no threshold")


def _status(status: Status, text: str) -> tuple[Status, Explanation]:
    return status, Explanation(Rule.STATUS, None, f"{status}: {text}")


def late_by(first_in_at: datetime | None, instance: ShiftInstance) -> timedelta:
    """Return how long after the start the first in was, when it was later than the grace; else nothing.

    The grace decides whether a day is late, not by how much.
    """
    grace = instance.shift.late_grace
    if grace is None or first_in_at is None or first_in_at <= instance.starts_at + grace:
        return NOTHING
    return first_in_at - instance.starts_at


def early_by(last_out_at: datetime | None, instance: ShiftInstance) -> timedelta:
    """Return how long before the end the last out was, when it was earlier than the grace; else nothing."""
    grace = instance.shift.early_grace
    if grace is None or last_out_at is None or last_out_at >= instance.ends_at - grace:
        return NOTHING
    return instance.ends_at - last_out_at

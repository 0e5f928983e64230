"""The status of a day, and the marks late and early. The first rule that holds gives the status."""

from datetime import datetime, timedelta
from enum import StrEnum

from attendance_projector.domain.counting import CountedTime, hours_text
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, ShiftVersion
from attendance_projector.domain.shift_windows import ShiftInstance


class Status(StrEnum):
    """What a day counts as."""

    PRESENT = "PRESENT"
    INCOMPLETE = "INCOMPLETE"
    HALF_DAY = "HALF_DAY"
    ABSENT = "ABSENT"


def status_of(counted: CountedTime, shift: ShiftVersion) -> tuple[Status, Explanation]:
    """Return ABSENT or HALF_DAY by threshold, INCOMPLETE when no time is closed, or PRESENT.

    Thresholds compare with the exact time worked, not with whole minutes. With a threshold set, a day whose
    time was never closed worked nothing and so falls below it.
    """
    worked = hours_text(counted.worked)
    if shift.absent_below is not None and counted.worked < shift.absent_below:
        return _status(Status.ABSENT, f"{worked} is below {hours_text(shift.absent_below)}")
    if shift.half_day_below is not None and counted.worked < shift.half_day_below:
        return _status(Status.HALF_DAY, f"{worked} is below {hours_text(shift.half_day_below)}")
    if not counted.is_closed:
        return _status(Status.INCOMPLETE, "nothing closes the time, and no threshold is set")
    return _status(Status.PRESENT, f"{worked} is below no threshold")


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

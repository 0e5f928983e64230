"""Dates on which nobody is expected: full leave, holidays and weekly offs; and dates of half leave.

They are dates on which a shift starts: a night that began on the eve of a holiday is no holiday.
"""

from datetime import date

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import MONDAY_TO_SUNDAY
from attendance_projector.domain.schedule import Leave, LeavePart, Schedule
from attendance_projector.domain.status import Status

DayOff = tuple[Status, Explanation]


def day_off(schedule: Schedule, on: date, *, counts_punches: bool) -> DayOff | None:
    """Return LEAVE, HOLIDAY or WEEKLY_OFF, the first that holds, and why; None on a day of work.

    `counts_punches`: the shift counts on holidays and the person punched, so only leave is off.
    """
    off = full_leave(schedule, on)
    if off is None and not counts_punches:
        off = holiday(schedule, on) or weekly_off(schedule, on)
    return off


def full_leave(schedule: Schedule, on: date) -> DayOff | None:
    """Leave that was granted stays leave, also when the person came; a clerk can take it back."""
    if not schedule.leave or Leave(on, LeavePart.FULL) not in schedule.leave:
        return None
    return Status.LEAVE, Explanation(Rule.FULL_LEAVE, None, f"LEAVE: {on} is leave; punches count nothing")


def holiday(schedule: Schedule, on: date) -> DayOff | None:
    """A holiday beats a weekly off, because it is the one that is paid."""
    if not schedule.is_holiday(on):
        return None
    return Status.HOLIDAY, Explanation(Rule.HOLIDAY, None, f"HOLIDAY: {on}; punches count nothing")


def weekly_off(schedule: Schedule, on: date) -> DayOff | None:
    """The weekdays off hold also where the roster or the default shift gives a shift."""
    weekday = MONDAY_TO_SUNDAY[on.weekday()]
    if weekday not in schedule.policy_on(on).weekly_offs:
        return None
    text = f"WEEKLY_OFF: every {weekday} is off; punches count nothing"
    return Status.WEEKLY_OFF, Explanation(Rule.WEEKLY_OFF, None, text)


def half_leave(schedule: Schedule, on: date) -> Explanation | None:
    """Half leave asks for the other half only; nobody knows which, so late and early are not marked."""
    if not schedule.leave or Leave(on, LeavePart.HALF) not in schedule.leave:
        return None
    text = f"half of {on} is leave: thresholds are halved, late and early not marked"
    return Explanation(Rule.HALF_LEAVE, None, text)

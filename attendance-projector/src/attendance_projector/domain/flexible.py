"""Flexible days: punches in the window of no shift, where the policy counts them.

A flexible day begins at a local time of the site (05:00 unless told), so that work after midnight stays with
the evening before. Its pairs count; it has no shift, so nothing is late, early, absent or overtime.
"""

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import Counting, ShiftId, ShiftVersion
from attendance_projector.domain.local_time import start_instant
from attendance_projector.domain.ownership import Ownership
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import ShiftInstance

ONE_DAY = timedelta(days=1)
USUAL_DAY_START = time(5)
# The day of no shift, and of no other shift: a recorded shift has a name.
NO_SHIFT = ShiftId("")


def flexible_date(schedule: Schedule, at: datetime) -> date | None:
    """Return the date of the flexible day of an instant; None when the policy has none then.

    A day ends where the next one begins. The last day before a policy without flexible days ends at the time
    at which it began.
    """
    zone = schedule.zone_at(at)
    on = at.astimezone(zone).date()
    eve = on - ONE_DAY
    start, start_of_eve = (schedule.policy_on(each).flexible_day_start for each in (on, eve))
    if start is not None and at >= start_instant(on, start, zone):
        return on
    if start_of_eve is None:
        return None
    if start is None and at >= start_instant(on, start_of_eve, zone):
        return None
    return eve


def unscheduled_date(schedule: Schedule, at: datetime) -> date:
    """Return the date of an instant that no shift owns: of its flexible day, or else its own local date."""
    return flexible_date(schedule, at) or at.astimezone(schedule.zone_at(at)).date()


def flexible_instance(schedule: Schedule, on: date) -> ShiftInstance:
    """Return the flexible day of a local date as an instance without windows around it."""
    day_start = schedule.policy_on(on).flexible_day_start or USUAL_DAY_START
    shift = ShiftVersion(NO_SHIFT, day_start, day_start, counting=Counting.EVERY_PAIR)
    zone = schedule.zone_on(on)
    starts_at = start_instant(on, day_start, zone)
    return ShiftInstance(shift, on, starts_at, start_instant(on + ONE_DAY, day_start, zone))


def flexible_day(ownership: Ownership, schedule: Schedule) -> Ownership:
    """Give an unscheduled punch to its flexible day, when the policy has such days."""
    punch = ownership.punch
    on = None if ownership.instance is not None else flexible_date(schedule, punch.occurred_at)
    if on is None:
        return ownership
    text = f"in the window of no shift; on the flexible day of {on}"
    why = Explanation(Rule.FLEXIBLE, punch.punch_id, text)
    return replace(ownership, instance=flexible_instance(schedule, on), why=why)

"""What a day without any punch is: pending, until it is certain that no device still holds one.

A kiosk that was offline must not make people absent; one that never comes back must not keep payroll waiting.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.shift_windows import ShiftInstance
from attendance_projector.domain.status import Status

LONGEST_WAIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Until when something can be known. None: nothing is.

    `devices_reported_until`: every device of the person's site has reported all it had up to this instant.
    """

    as_of: datetime | None = None
    devices_reported_until: datetime | None = None


def absence_by_watermark(instance: ShiftInstance, known: Knowledge) -> tuple[Status, Explanation]:
    """Return ABSENT once the window has closed and all devices have reported past it, else PENDING.

    24 hours after the window ABSENT comes whatever the devices say. Both ends of the window belong to it, so
    "past" is later than its last instant.
    """
    closes_at, as_of, reported = instance.closes_at, known.as_of, known.devices_reported_until
    if as_of is None or as_of <= closes_at:
        return _without_punch(Status.PENDING, "the window of the shift has not closed")
    if reported is not None and reported > closes_at:
        return _without_punch(Status.ABSENT, "every device has reported past the window")
    if as_of >= closes_at + LONGEST_WAIT:
        return _without_punch(Status.ABSENT, "24 h after the window nobody waits for the devices any longer")
    return _without_punch(Status.PENDING, "not every device has reported past the window")


def _without_punch(status: Status, text: str) -> tuple[Status, Explanation]:
    return status, Explanation(Rule.NO_PUNCH, None, f"{status}: no punch; {text}")

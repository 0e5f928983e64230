"""What a day without any punch is: pending, until it is certain that no device still holds one.

A kiosk that was offline must not make people absent; one that never comes back must not keep payroll waiting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.shift_windows import ONE_DAY, ShiftInstance
from attendance_projector.domain.status import Status

LONGEST_WAIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Until when something can be known. None: nothing is.

    `devices_reported_until`: every device of the person's site has reported all it had up to this instant.
    """

    as_of: datetime | None = None
    devices_reported_until: datetime | None = None


def cut_at(
    first_on: date, last_on: date, horizon: date, known: Knowledge
) -> Iterator[tuple[date, date, Knowledge | None]]:
    """Cut local dates, both inclusive, after the horizon: later ones have no days without a punch."""
    if first_on <= horizon:
        yield first_on, min(last_on, horizon), known
    if last_on > horizon:
        yield max(first_on, horizon + ONE_DAY), last_on, None


class AbsenceBasis(StrEnum):
    """What decides a day without a punch. SETTLED is for ever; the others can still change."""

    OPEN = "OPEN"
    WAITING = "WAITING"
    REPORTED = "REPORTED"
    SETTLED = "SETTLED"


DECIDED = {
    AbsenceBasis.OPEN: (Status.PENDING, "the window of the shift has not closed"),
    AbsenceBasis.WAITING: (Status.PENDING, "not every device has reported past the window"),
    AbsenceBasis.REPORTED: (Status.ABSENT, "every device has reported past the window"),
    AbsenceBasis.SETTLED: (
        Status.ABSENT,
        "24 h after the window nobody waits for the devices any longer",
    ),
}


def absence_by_watermark(
    instance: ShiftInstance, known: Knowledge
) -> tuple[AbsenceBasis, Status, Explanation]:
    """Return ABSENT once the window has closed and all devices have reported past it, else PENDING.

    24 hours after the window ABSENT comes, and stays, whatever the devices say. Both ends of the window
    belong to it, so "past" is later than its last instant.
    """
    basis = absence_basis(instance.closes_at, known)
    status, text = DECIDED[basis]
    return basis, status, Explanation(Rule.NO_PUNCH, None, f"{status}: no punch; {text}")


def absence_basis(closes_at: datetime, known: Knowledge) -> AbsenceBasis:
    """Return what decides a day whose window closes then."""
    as_of, reported = known.as_of, known.devices_reported_until
    if as_of is None or as_of <= closes_at:
        return AbsenceBasis.OPEN
    if as_of >= closes_at + LONGEST_WAIT:
        return AbsenceBasis.SETTLED
    if reported is not None and reported > closes_at:
        return AbsenceBasis.REPORTED
    return AbsenceBasis.WAITING

"""Which time of a paired day is work, when it began and when it ended.

Sums are exact; what is left of a minute is dropped once, at the end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, Counting, PairingMode, Punch, ShiftVersion
from attendance_projector.domain.pairing import Pairing

ONE_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CountedTime:
    """Work of a day. `is_closed` says whether any time has both a beginning and an end."""

    worked: timedelta
    first_in_at: datetime | None
    last_out_at: datetime | None
    is_closed: bool
    explanation: Explanation


def count_time(pairing: Pairing, shift: ShiftVersion) -> CountedTime:
    """Count the time of the pairing the way the shift says."""
    if shift.counting is Counting.EVERY_PAIR:
        return every_pair_counting(pairing)
    return first_last_counting(pairing, shift)


def every_pair_counting(pairing: Pairing) -> CountedTime:
    """Sum the closed pairs."""
    worked = sum((pair_out.occurred_at - pair_in.occurred_at for pair_in, pair_out in pairing.pairs), NOTHING)
    text = f"{len(pairing.pairs)} closed pairs make {hours_text(worked)}"
    return _counted(
        pairing, _last_out(pairing), worked, bool(pairing.pairs), Explanation(Rule.EVERY_PAIR, None, text)
    )


def first_last_counting(pairing: Pairing, shift: ShiftVersion) -> CountedTime:
    """Count from the first in to the last out that follows it.

    With alternating pairing the last punch ends the span even when its number is odd: between the first and
    the last punch the person was there, and the day carries `missing` besides.
    """
    last = _last_out(pairing)
    if shift.pairing is PairingMode.ALTERNATING and pairing.pairs and pairing.open_in is not None:
        last = pairing.open_in
    if not pairing.ins or last is None:
        text = "needs an in and an out after it; nothing is counted"
        return _counted(pairing, last, NOTHING, False, Explanation(Rule.FIRST_LAST, None, text))
    worked = last.occurred_at - pairing.ins[0].occurred_at
    text = f"punch {pairing.ins[0].punch_id} to punch {last.punch_id} make {hours_text(worked)}"
    return _counted(pairing, last, worked, True, Explanation(Rule.FIRST_LAST, None, text))


def _last_out(pairing: Pairing) -> Punch | None:
    """Return the last out that follows the first in; on a day without any in, the last out."""
    if not pairing.outs:
        return None
    last = pairing.outs[-1]
    # An in that nothing followed: the outs before it say when nobody left.
    return last if not pairing.ins or pairing.pairs else None


def _counted(
    pairing: Pairing, last: Punch | None, worked: timedelta, is_closed: bool, why: Explanation
) -> CountedTime:
    return CountedTime(
        worked=worked,
        first_in_at=pairing.ins[0].occurred_at if pairing.ins else None,
        last_out_at=last.occurred_at if last else None,
        is_closed=is_closed,
        explanation=why,
    )


def hours_text(duration: timedelta) -> str:
    """Return a duration as hours and minutes for people, seconds dropped."""
    minutes = whole_minutes(duration)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def whole_minutes(duration: timedelta) -> int:
    """Return the whole minutes of a duration; what is left of a minute is dropped."""
    return duration // ONE_MINUTE

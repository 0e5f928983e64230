"""Repeats of a punch: kept as evidence, not counted."""

from collections.abc import Sequence

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, PairingMode, Punch, ShiftVersion


def drop_repeats(punches: Sequence[Punch], shift: ShiftVersion) -> tuple[list[Punch], list[Explanation]]:
    """Split ordered punches into the counted ones and explanations of the repeats among them.

    A repeat follows the last counted punch within `debounce`, inclusive; a chain of repeats does not extend
    it. With directed pairing an out is no repeat of an in, nor an in of an out. Zero turns the rule off.
    """
    counted: list[Punch] = []
    repeats: list[Explanation] = []
    for punch in punches:
        if counted and _repeats(counted[-1], punch, shift):
            seconds = shift.debounce.total_seconds()
            text = f"not counted: within {seconds:g} s of punch {counted[-1].punch_id}"
            repeats.append(Explanation(Rule.DEBOUNCE, punch.punch_id, text))
        else:
            counted.append(punch)
    return counted, repeats


def _repeats(last: Punch, punch: Punch, shift: ShiftVersion) -> bool:
    if punch.occurred_at - last.occurred_at > shift.debounce or shift.debounce == NOTHING:
        return False
    turned = shift.pairing is PairingMode.DIRECTED and {last.direction, punch.direction} == {"in", "out"}
    return not turned

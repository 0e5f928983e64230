"""The unpaid break that a shift deducts from a long day."""

from datetime import timedelta

from attendance_projector.domain.counting import hours_text
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, Counting, ShiftVersion


def unpaid_break(
    worked: timedelta, pair_count: int, shift: ShiftVersion
) -> tuple[timedelta, Explanation | None]:
    """Return what to deduct from the time counted, and why.

    Only what is worked beyond `break_after` can be deducted: who stays a minute longer must never be paid for
    less. When `every_pair` counts several pairs, the time between them is a punched break that was left out
    already, so nothing more is deducted; `first_last` counts through every break and deducts.
    """
    if shift.break_time == NOTHING or worked <= shift.break_after:
        return NOTHING, None
    if shift.counting is Counting.EVERY_PAIR and pair_count > 1:
        return NOTHING, Explanation(Rule.BREAK, None, "breaks were punched; nothing is deducted")
    deducted = full_break(worked, shift)
    after = hours_text(shift.break_after)
    return deducted, Explanation(Rule.BREAK, None, f"{hours_text(deducted)} deducted after {after}")


def full_break(worked: timedelta, shift: ShiftVersion) -> timedelta:
    """Return the break of so much time without a punched break; never below `break_after`."""
    return max(NOTHING, min(shift.break_time, worked - shift.break_after))

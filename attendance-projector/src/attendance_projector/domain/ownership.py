"""Which shift instance owns a punch: exactly one, or none, and then the punch is unscheduled.

Ownership of a punch depends on the schedule and on that punch only, never on other punches, so a new punch
touches one day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import Direction, Punch
from attendance_projector.domain.shift_windows import ShiftInstance, midpoint_cut


@dataclass(frozen=True, slots=True)
class Ownership:
    """The instance that owns a punch, or None, and why."""

    punch: Punch
    instance: ShiftInstance | None
    why: Explanation


def _all_named(instances: Sequence[ShiftInstance]) -> str:
    return " and ".join(instance.name for instance in instances)


def owner_of(punch: Punch, instances: Sequence[ShiftInstance]) -> Ownership:
    """Find the one owner among the instances, which come ordered, earlier shift first.

    1. candidates are the instances whose window contains the punch;
    2. a part shared by several goes by direction (out: earliest, in: latest), else by the midpoint cuts;
    3. without a candidate the punch is unscheduled.
    """
    candidates = [instance for instance in instances if instance.takes(punch.occurred_at)]
    if not candidates:
        text = "in the window of no shift; listed for review, counts nothing"
        return Ownership(punch, None, Explanation(Rule.UNSCHEDULED, punch.punch_id, text))
    if len(candidates) == 1:
        text = f"in the window of {candidates[0].name}"
        return Ownership(punch, candidates[0], Explanation(Rule.WINDOW, punch.punch_id, text))
    if punch.direction is not None:
        return _owned_by_direction(punch, candidates)
    return _owned_by_midpoint(punch, candidates)


def _owned_by_direction(punch: Punch, candidates: list[ShiftInstance]) -> Ownership:
    """Give an out in the shared part to the earlier shift, an in to the later one."""
    owner = candidates[0] if punch.direction is Direction.OUT else candidates[-1]
    text = f"shared by {_all_named(candidates)}; an {punch.direction} goes to {owner.name}"
    return Ownership(punch, owner, Explanation(Rule.DIRECTION, punch.punch_id, text))


def _owned_by_midpoint(punch: Punch, candidates: list[ShiftInstance]) -> Ownership:
    """Give a punch in the shared part to the shift on its side of the cut; on the cut, to the earlier one."""
    owner = candidates[0]
    for later in candidates[1:]:
        if punch.occurred_at > midpoint_cut(owner, later):
            owner = later
    text = f"shared by {_all_named(candidates)}; the midpoint gives it to {owner.name}"
    return Ownership(punch, owner, Explanation(Rule.MIDPOINT, punch.punch_id, text))

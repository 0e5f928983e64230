"""Which sequence numbers of a device have arrived, as ranges: memory grows with gaps, not with captures."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

FIRST_SEQUENCE = 1
LAST_SEQUENCE = 2**53 - 1  # the largest integer that JSON carries everywhere

DeviceKey = tuple[str, str]
"""Names a device: its organisation and its id."""


@dataclass(slots=True)
class SequenceRanges:
    """Disjoint, non-adjacent ranges `(first, last)`, inclusive, in order."""

    ranges: list[tuple[int, int]] = field(default_factory=list)

    def add(self, first: int, last: int | None = None) -> None:
        """Add one number, or all from `first` to `last`; in any order, with any repetition."""
        last = first if last is None else last
        start = bisect_right(self.ranges, first - 1, key=lambda found: found[0])
        if start > 0 and self.ranges[start - 1][1] >= first - 1:
            start -= 1
        end = start
        while end < len(self.ranges) and self.ranges[end][0] <= last + 1:
            first = min(first, self.ranges[end][0])
            last = max(last, self.ranges[end][1])
            end += 1
        self.ranges[start:end] = [(first, last)]

    @property
    def acknowledged(self) -> int:
        """Return the highest number up to which none is missing; 0 when the first is."""
        if not self.ranges or self.ranges[0][0] > FIRST_SEQUENCE:
            return 0
        return self.ranges[0][1]

    def highest_if_used(self, number: int) -> int | None:
        """Return the number after which a device counts on, when this one has arrived; else None."""
        if not any(first <= number <= last for first, last in self.ranges):
            return None
        return count_on_after([last for _, last in self.ranges])

    def forgive_before_first(self) -> None:
        """Take what lies before the first range as arrived: its records are older than the topics keep."""
        if self.ranges:
            self.add(FIRST_SEQUENCE, self.ranges[0][0])


def count_on_after(ends: Sequence[int]) -> int | None:
    """Return the highest of the ends of ranges, in order, after which there is a number; None: there is none.

    A device that once sent the last number of all would never find another.
    """
    return next((last for last in reversed(ends) if last < LAST_SEQUENCE), None)

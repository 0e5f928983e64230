"""Which thresholds hold for a search over so many people, between and beyond the sizes that were calibrated.

A tail that falls off exponentially makes the threshold for one FPIR rise by the same amount with every
doubling of the gallery (`non_mated_tail`), so between two calibrated sizes it is a straight line over the
logarithm of the size, and beyond the last one the line goes on. Below the first, the first one holds. More
people never lower a threshold.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from recognition_worker.domain.decision import Thresholds

DEFAULT_TARGET_FPIR = 0.003
"""The share of strangers' captures that may be identified as somebody: 3 in 1,000."""
TARGET_FPIRS = (0.001, DEFAULT_TARGET_FPIR, 0.01)
"""What a calibration makes thresholds for when nothing else is asked of it."""


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds for a search over so many people at a target FPIR, and how they were found.

    threshold_interval: where the threshold of the fitted tail lies with 95 % confidence. identified: the
    share of captures of enrolled people that reached the threshold in the calibration.
    """

    people_up_to: int
    threshold: float
    margin: float
    review_threshold: float
    evidence: str
    target_fpir: float = DEFAULT_TARGET_FPIR
    threshold_interval: tuple[float, float] | None = None
    identified: float | None = None

    def __post_init__(self) -> None:
        if self.people_up_to < 1 or not 0.0 < self.target_fpir < 1.0:
            raise ValueError(
                f"an operating point needs people ({self.people_up_to}) and a target FPIR between 0 and 1 "
                f"({self.target_fpir})"
            )
        _ = self.thresholds  # refuses what contradicts itself

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds of this size."""
        return Thresholds(self.threshold, self.margin, self.review_threshold)


def check_points(points: Sequence[OperatingPoint]) -> None:
    """Refuse points of one target that are no rising curve.

    Raises:
        ValueError: no points, sizes that do not rise, or a threshold that falls as the gallery grows.
    """
    sizes = [point.people_up_to for point in points]
    if not sizes or sizes != sorted(set(sizes)):
        raise ValueError("operating_points must be there, by rising people_up_to for each target_fpir")
    for smaller, larger in pairwise(points):
        before, after = smaller.thresholds, larger.thresholds
        if (
            after.threshold < before.threshold
            or after.review_threshold < before.review_threshold
            or after.margin < before.margin
        ):
            raise ValueError(
                f"the thresholds for {larger.people_up_to} people must not be below those for "
                f"{smaller.people_up_to}: FPIR grows with the gallery"
            )


def thresholds_at(points: Sequence[OperatingPoint], people_count: int) -> Thresholds:
    """Return the thresholds for a search over so many people.

    points: of one target FPIR, as `check_points` wants them.
    """
    first, last = points[0], points[-1]
    if people_count <= first.people_up_to or len(points) == 1:
        return first.thresholds
    at = next((at for at, point in enumerate(points) if people_count <= point.people_up_to), len(points) - 1)
    smaller, larger = points[at - 1], points[at]
    along = math.log(people_count / smaller.people_up_to) / math.log(
        larger.people_up_to / smaller.people_up_to
    )
    beyond = people_count > last.people_up_to

    def on_line(low: float, high: float) -> float:
        # Rounding must not lift the end of one piece over the beginning of the next.
        return min(low + along * (high - low), 1.0 if beyond else high)

    threshold = on_line(smaller.threshold, larger.threshold)
    review = on_line(smaller.review_threshold, larger.review_threshold)
    return Thresholds(threshold, larger.margin, min(review, threshold))

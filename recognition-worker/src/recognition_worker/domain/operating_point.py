"""Finds the threshold for a gallery's size from the scores of people who are not each other.

A stranger is compared with every person enrolled, so the chance of a false identification grows with the
gallery: FPIR(N) = 1 - (1 - FMR) ** N. The rates that matter lie beyond the scores a small calibration has
seen, so the upper tail is modelled as exponential above a high quantile (peaks over threshold; Coles, An
Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). Scores that fall off faster than
that, as Gaussian ones do, make it err on the safe side far out, but not close to the measured scores: there
the uncertainty of the fit counts, and `pessimistic` is the tail to use.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_TAIL_SHARE = 1e-3
_LEAST_TAIL = 20
_ONE_SIDED_95 = 1.645  # normal approximation; the mean of n exponentials deviates by 1 / sqrt(n)


@dataclass(frozen=True, slots=True)
class NonMatedTail:
    """The tail of non-mated scores: above `start`, FMR(t) = share * exp(-(t - start) / decay)."""

    start: float
    share: float
    decay: float
    count: int

    def pessimistic(self) -> "NonMatedTail":
        """Return the tail with the decay at its upper 95 % limit; comparisons are taken as independent."""
        return replace(self, decay=self.decay * (1 + _ONE_SIDED_95 / self.count**0.5))

    def false_match_rate(self, threshold: float) -> float:
        """Return the chance that one comparison of two people reaches the threshold (at or above `start`)."""
        return float(self.share * np.exp(-(threshold - self.start) / self.decay))

    def false_positive_rate(self, threshold: float, people_count: int) -> float:
        """Return FPIR: the chance that a stranger reaches the threshold with anybody of so many people."""
        return float(-np.expm1(people_count * np.log1p(-self.false_match_rate(threshold))))

    def threshold_for(self, false_positive_rate: float, people_count: int) -> float:
        """Return the lowest threshold that keeps FPIR at so many people; never below `start`."""
        match_rate = -np.expm1(np.log1p(-false_positive_rate) / people_count)
        return max(self.start, float(self.start - self.decay * np.log(match_rate / self.share)))


def fit_tail(non_mated: NDArray[np.floating], share: float = _TAIL_SHARE) -> NonMatedTail:
    """Fit the tail to scores of different people.

    Raises:
        ValueError: too few scores to say anything about such rare events.
    """
    scores = np.sort(np.asarray(non_mated, dtype=np.float64).ravel())
    count = int(len(scores) * share)
    if count < _LEAST_TAIL:
        raise ValueError(
            f"{len(scores)} comparisons of different people are too few, "
            f"{round(_LEAST_TAIL / share)} are needed"
        )
    start = float(scores[-count - 1])
    decay = float((scores[-count:] - start).mean())
    return NonMatedTail(start=start, share=count / len(scores), decay=decay, count=count)

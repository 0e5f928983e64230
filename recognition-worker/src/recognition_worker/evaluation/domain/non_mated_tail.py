"""The tail of the scores of people who are not each other, and the thresholds that follow from it.

A stranger is compared with every person enrolled, so the chance of a false identification grows with the
gallery: FPIR(N) = 1 - (1 - FMR) ** N. The rates that matter lie beyond the scores a small calibration has
seen, so the upper tail is modelled as exponential above a high quantile (peaks over threshold; Coles, An
Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). Scores that fall off faster than
that, as Gaussian ones do, make it err on the safe side far out, but not close to the measured scores: there
the uncertainty of the fit counts. It is found by drawing whole people again, those who were captured and
those who were enrolled, because the scores of one person are not independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TAIL_SHARE = 1e-3
_LEAST_TAIL = 20
_RESAMPLES = 400
_REACH = 8


@dataclass(frozen=True, slots=True, eq=False)
class NonMatedScores:
    """Scores of different people, at least the highest thousandth of them, in any order.

    captured, enrolled: int (n,), numbers of the two people compared. count: of all comparisons, those whose
    scores are left out included.
    """

    scores: NDArray[np.float64]
    captured: NDArray[np.intp]
    enrolled: NDArray[np.intp]
    count: int


@dataclass(frozen=True, slots=True)
class NonMatedTail:
    """The tail of non-mated scores: above `start`, FMR(t) = share * exp(-(t - start) / decay)."""

    start: float
    share: float
    decay: float
    count: int

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


def fit_tail(non_mated: NonMatedScores) -> NonMatedTail:
    """Fit the tail to scores of different people.

    Raises:
        ValueError: too few scores to say anything about such rare events.
    """
    count = int(non_mated.count * TAIL_SHARE)
    if count < _LEAST_TAIL or len(non_mated.scores) <= count:
        raise ValueError(
            f"{non_mated.count} comparisons of different people are too few, "
            f"{round(_LEAST_TAIL / TAIL_SHARE)} are needed"
        )
    falling = -np.sort(-non_mated.scores)
    start = float(falling[count])
    decay = float((falling[:count] - start).mean())
    return NonMatedTail(start=start, share=count / non_mated.count, decay=decay, count=count)


def resampled_tails(
    non_mated: NonMatedScores, *, resamples: int = _RESAMPLES, seed: int = 1
) -> Iterator[NonMatedTail]:
    """Yield the tails of bootstrap draws: the people captured and the people enrolled are drawn again.

    The share of the tail stays; where it starts, and how it falls off, is what the draws move. They err on
    the wide side, by up to the square root of 3. Source: Owen, The pigeonhole bootstrap, 2007.
    """
    random = np.random.default_rng(seed)
    wanted = non_mated.count * TAIL_SHARE
    # No draw reaches further down than a few times the tail.
    order = np.argsort(-non_mated.scores, kind="stable")[: max(100, round(_REACH * wanted))]
    scores = non_mated.scores[order]
    captured, enrolled = _numbered(non_mated.captured), _numbered(non_mated.enrolled)
    people = captured.max() + 1, enrolled.max() + 1
    captured, enrolled = captured[order], enrolled[order]
    for _ in range(resamples):
        times = _times(random, captured, people[0]) * _times(random, enrolled, people[1])
        above = np.cumsum(times)
        at = min(int(np.searchsorted(above, wanted)), len(scores) - 1)
        start = float(scores[at])
        weight = max(1, int(above[at]))
        decay = float(((scores[: at + 1] - start) * times[: at + 1]).sum() / weight)
        yield NonMatedTail(start, TAIL_SHARE, max(decay, np.finfo(float).tiny), weight)


def _numbered(people: NDArray[np.intp]) -> NDArray[np.intp]:
    numbers: NDArray[np.intp] = np.unique(people, return_inverse=True)[1]
    return numbers


def _times(random: np.random.Generator, people: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Draw as many people as there are; return how often each comparison's person is in the draw."""
    drawn: NDArray[np.intp] = np.bincount(random.integers(0, count, count), minlength=count)[people]
    return drawn

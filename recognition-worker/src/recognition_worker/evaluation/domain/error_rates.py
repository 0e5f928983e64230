"""The figures of an evaluation, from scores alone: 1:N identification and 1:1 verification.

Words and definitions are those of ISO/IEC 19795-1. A search says whose face came first and with which
score; an identification needs a score at or above the threshold. FNIR is the share of captures of enrolled
people that do not lead to them, FPIR the share of captures of strangers that lead to anybody. A capture
that was refused (no face, say) leads to nobody, and counts in both with the score -inf.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""Cosines, shape (n,); -inf stands for a capture that led to nobody."""

NO_SCORE = -math.inf
LOWEST_THRESHOLD = -1.0
_ROUNDING = 1e-9  # 0.29 * 100 is a little less than 29
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What a protocol measured.

    mated: the right person's score where they came first, else -inf; one for each capture of somebody
    enrolled. strangers: the best score of each capture of somebody who is not. mated_people and
    stranger_people: int (n,), whose capture it was, because captures of one person are not independent.
    """

    mated: Scores
    mated_people: NDArray[np.intp]
    strangers: Scores
    stranger_people: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of 95 %."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DetPoint:
    """Both error rates at one threshold."""

    threshold: float
    fpir: float
    fnir: float


def rank1(mated: Scores) -> float:
    """Return the share of captures whose right person came first, whatever the score."""
    return float(np.mean(mated > NO_SCORE))


def fnir(mated: Scores, threshold: float) -> float:
    """Return the share of captures of enrolled people that are not identified as them."""
    return float(np.mean(mated < threshold))


def fpir(strangers: Scores, threshold: float) -> float:
    """Return the share of captures of strangers that are identified as anybody."""
    return float(np.mean(strangers >= threshold))


def threshold_at(strangers: Scores, target: float, counts: NDArray[np.intp] | None = None) -> float:
    """Return the lowest threshold whose FPIR does not exceed the target.

    counts: how often each score occurs, once by default. Never below -1, the lowest cosine.
    """
    counts = np.ones(len(strangers), dtype=np.intp) if counts is None else counts
    falling = np.argsort(-strangers, kind="stable")
    accepted = np.cumsum(counts[falling])
    allowed = math.floor(target * int(counts.sum()) + _ROUNDING)
    too_many = np.flatnonzero(accepted > allowed)
    if not len(too_many):
        return LOWEST_THRESHOLD
    return max(LOWEST_THRESHOLD, float(np.nextafter(strangers[falling[too_many[0]]], np.inf)))


def det_points(searches: Searches) -> tuple[DetPoint, ...]:
    """Return the detection error trade-off, threshold rising: a point just above each stranger's score."""
    finite = np.unique(searches.strangers[np.isfinite(searches.strangers)])
    thresholds = [LOWEST_THRESHOLD, *np.maximum(LOWEST_THRESHOLD, np.nextafter(finite, np.inf)).tolist()]
    return tuple(
        DetPoint(threshold, fpir(searches.strangers, threshold), fnir(searches.mated, threshold))
        for threshold in thresholds
    )


def fnir_interval(searches: Searches, target: float, *, resamples: int = 1000, seed: int = 1) -> Interval:
    """Bootstrap the FNIR at a target FPIR: people and strangers are drawn again, the threshold with them.

    Whole people are drawn, with all their captures. The gallery stays as it is.
    """
    random = np.random.default_rng(seed)
    rates = []
    for _ in range(resamples):
        of_strangers = _drawn(random, searches.stranger_people)
        threshold = threshold_at(searches.strangers, target, of_strangers)
        of_mated = _drawn(random, searches.mated_people)
        rates.append(float(np.average(searches.mated < threshold, weights=of_mated)))
    tail = (1 - _CONFIDENCE) / 2
    return Interval(float(np.quantile(rates, tail)), float(np.quantile(rates, 1 - tail)))


def _drawn(random: np.random.Generator, people: NDArray[np.intp]) -> NDArray[np.intp]:
    """Draw as many people as there are, with replacement; return how often each capture is in the draw."""
    names, of_capture = np.unique(people, return_inverse=True)
    times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
    counts: NDArray[np.intp] = times[of_capture]
    return counts


def equal_error_rate(genuine: Scores, impostor: Scores) -> float:
    """Return the rate at which FMR and FNMR are equal, interpolated between the two nearest thresholds."""
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    thresholds = np.append(thresholds, np.inf)
    fmr = 1 - np.searchsorted(np.sort(impostor), thresholds, side="left") / len(impostor)
    fnmr = np.searchsorted(np.sort(genuine), thresholds, side="left") / len(genuine)
    at = int(np.argmax(fnmr >= fmr))  # FNMR rises from 0 to 1, FMR falls from 1 to 0
    if at == 0 or fnmr[at] == fmr[at]:
        return float(fnmr[at])
    before = fmr[at - 1] - fnmr[at - 1]
    after = fnmr[at] - fmr[at]
    return float(fnmr[at - 1] + (fnmr[at] - fnmr[at - 1]) * before / (before + after))


def true_positive_rate(genuine: Scores, impostor: Scores, false_positive_rate: float) -> float:
    """Return the share of genuine pairs found at the lowest threshold that keeps the rate of impostors."""
    return float(np.mean(genuine >= threshold_at(impostor, false_positive_rate)))


def best_threshold(scores: Scores, same: NDArray[np.bool_]) -> float:
    """Return the threshold that tells most pairs right; in the middle of its gap, the lowest of equals."""
    order = np.argsort(scores, kind="stable")
    rising, is_same = scores[order], same[order]
    # With the threshold before position k: the different ones below it and the same ones from it are right.
    right = np.concatenate([[0], np.cumsum(~is_same)]) + np.concatenate(
        [[is_same.sum()], is_same.sum() - np.cumsum(is_same)]
    )
    cuts = np.concatenate([[True], np.diff(rising) > 0, [True]])  # never between equal scores
    at = int(np.argmax(np.where(cuts, right, -1)))
    if at == 0:
        return float(rising[0])
    if at == len(rising):
        return float(np.nextafter(rising[-1], np.inf))
    middle = float((rising[at - 1] + rising[at]) / 2)
    return middle if middle > rising[at - 1] else float(rising[at])


def fold_accuracies(scores: Scores, same: NDArray[np.bool_], folds: NDArray[np.intp]) -> tuple[float, ...]:
    """Return the accuracy on each fold, with the threshold that was best on all others.

    Source: the protocol of Labeled Faces in the Wild, view 2 (Huang et al., 2007).
    """
    accuracies = []
    for fold in np.unique(folds):
        held_out = folds == fold
        threshold = best_threshold(scores[~held_out], same[~held_out])
        accuracies.append(float(np.mean((scores[held_out] >= threshold) == same[held_out])))
    return tuple(accuracies)

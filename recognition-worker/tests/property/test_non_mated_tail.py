import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.evaluation.domain.non_mated_tail import (
    NonMatedScores,
    NonMatedTail,
    fit_tail,
    resampled_tails,
)

TAIL = NonMatedTail(start=0.36, share=1e-3, decay=0.02, count=64)
MEAN, DEVIATION = 0.09, 0.088


def gaussian(seed: int, captures: int = 1000, people: int = 200) -> NonMatedScores:
    """Scores of independent comparisons, a fifth of them left out, the lowest ones."""
    scores = np.random.default_rng(seed).normal(MEAN, DEVIATION, captures * people)
    kept = np.argsort(-scores)[: 4 * len(scores) // 5]
    return NonMatedScores(scores[kept], kept // people, kept % people, len(scores))


@given(st.floats(1e-4, 0.05), st.integers(100, 1_000_000))
def test_the_threshold_keeps_the_rate_it_was_made_for(rate: float, people_count: int) -> None:
    threshold = TAIL.threshold_for(rate, people_count)
    assert TAIL.false_positive_rate(threshold, people_count) <= rate * 1.001
    if threshold > TAIL.start:
        assert TAIL.false_positive_rate(threshold, people_count) == pytest.approx(rate, rel=1e-3)


@given(st.integers(100, 100_000), st.integers(0, 100_000))
def test_more_people_never_lower_the_threshold(people_count: int, more: int) -> None:
    assert TAIL.threshold_for(0.003, people_count + more) >= TAIL.threshold_for(0.003, people_count)


def test_the_fit_errs_on_the_safe_side_for_gaussian_scores() -> None:
    non_mated = gaussian(3)
    tail = fit_tail(non_mated)
    assert tail.false_match_rate(tail.start) == pytest.approx(1e-3)
    upper = [one.threshold_for(0.003, 200) for one in resampled_tails(non_mated)]
    # Near the scores (200 people) the fit alone is not on the safe side: there its upper limit counts.
    near = float(np.quantile(upper, 0.95))
    for threshold, people_count in (
        (near, 200),
        (tail.threshold_for(0.003, 2_000), 2_000),
        (tail.threshold_for(0.003, 20_000), 20_000),
    ):
        true_rate = 0.5 * math.erfc((threshold - MEAN) / DEVIATION / math.sqrt(2))
        assert people_count * true_rate < 0.003


def test_draws_of_people_spread_around_the_fit() -> None:
    non_mated = gaussian(5)
    tail = fit_tail(non_mated)
    decays = [one.decay for one in resampled_tails(non_mated, resamples=200)]
    assert np.mean(decays) == pytest.approx(tail.decay, rel=0.1)
    # For independent scores the mean of n exponentials deviates by 1 / sqrt(n); draws of both people give up
    # to sqrt(3) times that, and never less.
    independent = tail.decay / math.sqrt(tail.count)
    assert 0.8 * independent < np.std(decays) < 2 * independent
    assert [one.start for one in resampled_tails(non_mated, resamples=3)] == [
        one.start for one in resampled_tails(non_mated, resamples=3)
    ]


def test_a_person_who_resembles_many_widens_the_draws() -> None:
    """The same scores say less when one person made all the high ones."""
    spread = gaussian(7)
    order = np.argsort(-spread.scores)
    one_person = np.ones(len(order), np.intp) * 1 + np.arange(len(order)) % 999
    one_person[order[:200]] = 0
    wolf = NonMatedScores(spread.scores, one_person, spread.enrolled, spread.count)
    starts = [
        np.std([one.start for one in resampled_tails(non_mated, resamples=100)])
        for non_mated in (spread, wolf)
    ]
    assert starts[1] > 2 * starts[0]


def test_too_few_scores_are_refused() -> None:
    few = NonMatedScores(np.zeros(500), np.zeros(500, np.intp), np.zeros(500, np.intp), 500)
    with pytest.raises(ValueError, match="20000 are needed"):
        fit_tail(few)
    with pytest.raises(ValueError, match="too few"):
        fit_tail(NonMatedScores(np.zeros(50), np.zeros(50, np.intp), np.zeros(50, np.intp), 50_000))

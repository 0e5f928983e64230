import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.operating_point import NonMatedTail, fit_tail

TAIL = NonMatedTail(start=0.36, share=1e-3, decay=0.02, count=64)


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
    mean, deviation = 0.09, 0.088
    tail = fit_tail(np.random.default_rng(3).normal(mean, deviation, 200_000))
    assert tail.false_match_rate(tail.start) == pytest.approx(1e-3)
    # Near the scores (200 people) the fit alone is not on the safe side: this very draw errs.
    for used, people_count in ((tail.pessimistic(), 200), (tail, 2_000), (tail, 20_000)):
        threshold = used.threshold_for(0.003, people_count)
        true_rate = 0.5 * math.erfc((threshold - mean) / deviation / math.sqrt(2))
        assert people_count * true_rate < 0.003


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="20000 are needed"):
        fit_tail(np.zeros(500))

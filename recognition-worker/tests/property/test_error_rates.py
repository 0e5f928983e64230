import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.evaluation.domain.error_rates import (
    NO_SCORE,
    Searches,
    best_threshold,
    det_points,
    equal_error_rate,
    fnir,
    fnir_interval,
    fold_accuracies,
    fpir,
    rank1,
    threshold_at,
    true_positive_rate,
)

cosines = st.floats(-1.0, 1.0)
many_scores = st.lists(cosines | st.just(NO_SCORE), min_size=1, max_size=60).map(np.array)


def searches(mated: list[float], strangers: list[float]) -> Searches:
    return Searches(np.array(mated), np.arange(len(mated)), np.array(strangers), np.arange(len(strangers)))


def test_the_right_person_must_come_first_for_rank1_and_reach_the_threshold_for_a_hit() -> None:
    mated = np.array([0.9, 0.5, 0.3, NO_SCORE])
    assert rank1(mated) == 0.75
    assert fnir(mated, 0.5) == 0.5
    assert fnir(mated, 0.51) == 0.75


def test_a_refused_stranger_is_no_false_positive() -> None:
    assert fpir(np.array([0.9, 0.2, NO_SCORE, NO_SCORE]), -1.0) == 0.5


@given(many_scores, st.floats(0.0, 0.99))
def test_the_threshold_keeps_the_target_and_no_lower_one_does(strangers: np.ndarray, target: float) -> None:
    threshold = threshold_at(strangers, target)
    assert fpir(strangers, threshold) <= target + 1e-9
    if threshold > -1.0:
        assert fpir(strangers, np.nextafter(threshold, -math.inf)) > target


@given(many_scores, st.floats(0.0, 0.99), st.data())
def test_counts_are_the_same_as_repetitions(
    strangers: np.ndarray, target: float, data: st.DataObject
) -> None:
    counts = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(strangers), max_size=len(strangers)))
    )
    assert threshold_at(strangers, target, counts) == threshold_at(np.repeat(strangers, counts), target)


def test_one_stranger_in_a_hundred_is_allowed_at_one_percent() -> None:
    strangers = np.linspace(0.0, 0.99, 100)
    assert threshold_at(strangers, 0.01) == np.nextafter(0.98, 1)
    assert threshold_at(strangers, 0.29) == np.nextafter(strangers[70], 1)
    assert threshold_at(strangers, 0.0) == np.nextafter(0.99, 1)


@given(many_scores, many_scores)
def test_a_higher_threshold_never_adds_a_match(mated: np.ndarray, strangers: np.ndarray) -> None:
    points = det_points(searches(list(mated), list(strangers)))
    assert list(points) == sorted(points, key=lambda point: point.threshold)
    assert [point.fpir for point in points] == sorted((point.fpir for point in points), reverse=True)
    assert [point.fnir for point in points] == sorted(point.fnir for point in points)
    assert points[-1].fpir == 0.0


def test_the_interval_holds_the_rate_and_is_the_same_each_time() -> None:
    random = np.random.default_rng(5)
    drawn = Searches(
        random.normal(0.6, 0.1, 600),
        np.repeat(np.arange(200), 3),
        random.normal(0.2, 0.1, 300),
        np.arange(300),
    )
    rate = fnir(drawn.mated, threshold_at(drawn.strangers, 0.01))
    interval = fnir_interval(drawn, 0.01)
    assert interval.low <= rate <= interval.high
    assert interval.high - interval.low < 0.3
    assert fnir_interval(drawn, 0.01) == interval
    assert fnir_interval(drawn, 0.01, seed=2) != interval


def test_captures_of_one_person_are_drawn_together() -> None:
    # One person who is never found, of ten: all their captures are in a draw or none, so it varies widely.
    of_one = Searches(
        np.repeat([NO_SCORE, *[0.9] * 9], 20), np.repeat(np.arange(10), 20), np.array([0.1]), np.array([0])
    )
    each = Searches(of_one.mated, np.arange(200), of_one.strangers, of_one.stranger_people)
    assert fnir_interval(of_one, 0.0).high > fnir_interval(each, 0.0).high + 0.1


def test_perfect_scores_have_no_errors() -> None:
    genuine, impostor = np.array([0.8, 0.9]), np.array([0.1, 0.2])
    assert equal_error_rate(genuine, impostor) == 0.0
    assert true_positive_rate(genuine, impostor, 1e-3) == 1.0
    assert equal_error_rate(impostor, genuine) == 1.0


def test_the_equal_error_rate_of_two_gaussians_is_theirs() -> None:
    random = np.random.default_rng(7)
    genuine, impostor = random.normal(1, 0.5, 40_000), random.normal(0, 0.5, 40_000)
    expected = 0.5 * math.erfc(1 / math.sqrt(2))  # they meet one deviation from both means
    assert equal_error_rate(genuine, impostor) == pytest.approx(expected, abs=0.004)
    assert true_positive_rate(genuine, impostor, expected) == pytest.approx(1 - expected, abs=0.006)


@given(many_scores, many_scores)
def test_the_equal_error_rate_is_a_rate(genuine: np.ndarray, impostor: np.ndarray) -> None:
    assert 0.0 <= equal_error_rate(genuine, impostor) <= 1.0


@given(st.lists(st.tuples(cosines, st.booleans()), min_size=1, max_size=40))
def test_no_threshold_tells_more_pairs_right_than_the_best(pairs: list[tuple[float, bool]]) -> None:
    scores, same = np.array([score for score, _ in pairs]), np.array([is_same for _, is_same in pairs])
    tried = [*scores, *np.nextafter(scores, np.inf), -1.0]
    best = np.mean((scores >= best_threshold(scores, same)) == same)
    assert best == max(np.mean((scores >= threshold) == same) for threshold in tried)


def test_the_threshold_lies_in_the_middle_of_its_gap() -> None:
    assert best_threshold(np.array([0.2, 0.6, 0.1]), np.array([False, True, False])) == pytest.approx(0.4)


def test_a_fold_is_judged_by_the_threshold_of_the_others() -> None:
    # Fold 1 has other scores than fold 0: with its own threshold it would be perfect.
    scores = np.array([0.1, 0.5, 0.6, 0.9])
    same = np.array([False, True, False, True])
    assert fold_accuracies(scores, same, np.array([0, 0, 1, 1])) == (0.5, 0.5)


def test_ten_folds_of_separable_pairs_are_all_right() -> None:
    random = np.random.default_rng(3)
    same = np.tile([True, False], 300)
    scores = np.where(same, random.uniform(0.5, 0.9, 600), random.uniform(-0.2, 0.3, 600))
    assert fold_accuracies(scores, same, np.repeat(np.arange(10), 60)) == (1.0,) * 10

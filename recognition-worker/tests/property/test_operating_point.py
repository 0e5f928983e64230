import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.domain.identity import PersonId, RankedPerson
from recognition_worker.domain.operating_point import OperatingPoint, check_points, thresholds_at

SMALL = OperatingPoint(100, 0.5, 0.05, 0.4, "measured")
LARGE = OperatingPoint(1000, 0.6, 0.06, 0.5, "extrapolated")
STRICTNESS = {Outcome.UNKNOWN: 0, Outcome.REVIEW: 1, Outcome.IDENTIFIED: 2}


@st.composite
def curves(draw: st.DrawFn) -> list[OperatingPoint]:
    sizes = sorted(draw(st.sets(st.integers(1, 10**6), min_size=1, max_size=5)))
    scores = sorted(draw(st.lists(st.floats(0, 1), min_size=len(sizes), max_size=len(sizes))))
    below = sorted(draw(st.lists(st.floats(-0.9, 0), min_size=len(sizes), max_size=len(sizes))))
    margins = sorted(draw(st.lists(st.floats(0, 0.3), min_size=len(sizes), max_size=len(sizes))))
    return [
        OperatingPoint(size, score, margin, low, "drawn")
        for size, score, margin, low in zip(sizes, scores, margins, below, strict=True)
    ]


@given(curves(), st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_people_never_lower_a_threshold(curve: list[OperatingPoint], count: int, more: int) -> None:
    check_points(curve)
    few, many = thresholds_at(curve, count), thresholds_at(curve, count + more)
    assert few.threshold <= many.threshold
    assert few.review_threshold <= many.review_threshold
    assert few.margin <= many.margin


@given(curves(), st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.floats(-1, 1), max_size=3))
def test_more_people_never_make_the_same_scores_a_match(
    curve: list[OperatingPoint], count: int, more: int, scores: list[float]
) -> None:
    ranking = [RankedPerson(PersonId(f"p{k}"), s) for k, s in enumerate(sorted(scores, reverse=True))]
    few, many = (decide(ranking, thresholds_at(curve, size)) for size in (count, count + more))
    assert STRICTNESS[many.outcome] <= STRICTNESS[few.outcome]


def test_between_two_sizes_every_doubling_adds_the_same() -> None:
    curve = [SMALL, OperatingPoint(1600, 0.58, 0.05, 0.48, "extrapolated")]
    found = [thresholds_at(curve, size).threshold for size in (0, 1, 100, 200, 400, 800, 1600)]
    assert found == pytest.approx([0.5, 0.5, 0.5, 0.52, 0.54, 0.56, 0.58])
    assert thresholds_at(curve, 400).review_threshold == pytest.approx(0.44)


def test_calibrated_sizes_have_exactly_their_thresholds() -> None:
    for point in (SMALL, LARGE):
        assert thresholds_at([SMALL, LARGE], point.people_up_to) == point.thresholds


def test_beyond_the_last_size_the_line_goes_on_and_ends_at_one() -> None:
    beyond = thresholds_at([SMALL, LARGE], 10_000)
    assert (beyond.threshold, beyond.review_threshold) == pytest.approx((0.7, 0.6))
    assert thresholds_at([SMALL, LARGE], 10**9).threshold == 1.0
    assert thresholds_at([SMALL], 10**9) == SMALL.thresholds


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([], "must be there"),
        ([LARGE, SMALL], "rising people_up_to"),
        ([SMALL, SMALL], "rising people_up_to"),
        ([SMALL, OperatingPoint(1000, 0.49, 0.05, 0.4, "")], "must not be below"),
        ([SMALL, OperatingPoint(1000, 0.6, 0.05, 0.3, "")], "must not be below"),
        ([SMALL, OperatingPoint(1000, 0.6, 0.04, 0.4, "")], "must not be below"),
    ],
)
def test_what_is_no_rising_curve_is_refused(points: list[OperatingPoint], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_points(points)


@pytest.mark.parametrize(
    ("people", "target", "review"), [(0, 0.003, 0.4), (10, 0.0, 0.4), (10, 1.0, 0.4), (10, 0.003, 0.6)]
)
def test_an_impossible_point_is_refused(people: int, target: float, review: float) -> None:
    with pytest.raises(ValueError, match=r"operating point|thresholds must satisfy"):
        OperatingPoint(people, 0.5, 0.05, review, "", target)

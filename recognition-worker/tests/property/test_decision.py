import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.decision import Outcome, Thresholds, decide
from recognition_worker.domain.identity import PersonId, RankedPerson

SCORES = st.lists(st.floats(-1, 1), max_size=5).map(
    lambda scores: [RankedPerson(PersonId(f"p{k}"), s) for k, s in enumerate(sorted(scores, reverse=True))]
)
UNIT = st.floats(-1, 1)
STRICTNESS = {Outcome.UNKNOWN: 0, Outcome.REVIEW: 1, Outcome.IDENTIFIED: 2}


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    review, threshold = sorted((draw(UNIT), draw(UNIT)))
    return Thresholds(threshold, draw(st.floats(0, 0.5)), review)


def people(*scores: float) -> list[RankedPerson]:
    return [RankedPerson(PersonId(f"p{k}"), score) for k, score in enumerate(scores)]


@given(SCORES, thresholds(), st.floats(0, 2), st.floats(0, 2))
def test_a_stricter_setting_never_adds_a_match(
    ranking: list[RankedPerson], base: Thresholds, more_score: float, more_margin: float
) -> None:
    stricter = Thresholds(
        min(1.0, base.threshold + more_score), base.margin + more_margin, base.review_threshold
    )
    before, after = decide(ranking, base), decide(ranking, stricter)
    assert STRICTNESS[after.outcome] <= STRICTNESS[before.outcome]
    if after.outcome is Outcome.IDENTIFIED:
        assert after.person_id == before.person_id


@given(SCORES, thresholds())
def test_an_identification_keeps_to_threshold_and_margin(
    ranking: list[RankedPerson], limits: Thresholds
) -> None:
    decision = decide(ranking, limits)
    if decision.outcome is Outcome.IDENTIFIED:
        assert decision.score is not None
        assert decision.score >= limits.threshold
        assert len(ranking) == 1 or decision.score - ranking[1].score >= limits.margin
        assert decision.reasons == ()
    else:
        assert decision.reasons
    assert (decision.person_id is None) == (decision.outcome is Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("ranking", "outcome"),
    [
        (people(), Outcome.UNKNOWN),
        (people(0.39), Outcome.UNKNOWN),
        (people(0.40), Outcome.REVIEW),
        (people(0.4999), Outcome.REVIEW),
        (people(0.5), Outcome.IDENTIFIED),
        (people(0.75, 0.25), Outcome.IDENTIFIED),
        (people(0.75, 0.5), Outcome.IDENTIFIED),
        (people(0.75, 0.51), Outcome.REVIEW),
    ],
)
def test_the_bands(ranking: list[RankedPerson], outcome: Outcome) -> None:
    assert decide(ranking, Thresholds(0.5, 0.25, 0.4)).outcome is outcome


def test_an_unknown_person_is_nobodys_candidate() -> None:
    decision = decide(people(0.2, 0.1), Thresholds(0.5, 0.05, 0.4))
    assert decision.person_id is None
    assert decision.runner_up_person_id is None
    assert decision.score == 0.2


@pytest.mark.parametrize("wrong", [(0.4, 0.05, 0.5), (1.1, 0.05, 0.5), (0.5, -0.1, 0.4), (0.5, 0.1, -1.1)])
def test_contradictory_thresholds_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"threshold|margin"):
        Thresholds(*wrong)

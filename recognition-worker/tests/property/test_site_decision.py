from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.decision import Outcome, Thresholds, decide
from recognition_worker.domain.identity import PersonId, RankedPerson, Ranking
from recognition_worker.domain.site_decision import ELSEWHERE_REASON, Verdict, decide_at_site

SITE = frozenset(map(PersonId, ("ann", "abe")))
FEW, MANY = Thresholds(0.5, 0.05, 0.4), Thresholds(0.6, 0.05, 0.52)


def thresholds_of(people_count: int) -> Thresholds:
    return FEW if people_count <= 2 else MANY


def verdict(**scores: float) -> Verdict:
    """People whose name begins with an a are of the site; 1,000 are in the organisation."""
    ranked = sorted(
        (RankedPerson(PersonId(name), score) for name, score in scores.items()), key=lambda one: -one.score
    )
    own = tuple(one for one in ranked if one.person_id in SITE)
    return decide_at_site(Ranking(own, 2), Ranking(tuple(ranked[:2]), 1000), SITE, thresholds_of)


def test_the_people_of_the_site_are_decided_by_their_number() -> None:
    found = verdict(ann=0.55, zoe=0.54)
    assert (found.decision.outcome, found.decision.person_id) == (Outcome.IDENTIFIED, "ann")
    assert (found.decision.threshold, found.searched_count, found.is_elsewhere) == (0.5, 2, False)


def test_a_visitor_is_for_review_and_named() -> None:
    found = verdict(zoe=0.8, ann=0.1)
    assert (found.decision.outcome, found.decision.person_id) == (Outcome.REVIEW, "zoe")
    assert found.decision.reasons == (ELSEWHERE_REASON,)
    assert (found.decision.threshold, found.searched_count, found.is_elsewhere) == (0.6, 1000, True)


def test_a_visitor_does_not_become_who_looks_like_them() -> None:
    found = verdict(zoe=0.8, ann=0.55)
    assert (found.decision.outcome, found.decision.person_id) == (Outcome.REVIEW, "zoe")
    assert found.decision.runner_up_person_id == "ann"
    # Nor when the lead would be too small for an identification in the organisation.
    close = verdict(zoe=0.8, ann=0.78)
    assert (close.decision.outcome, close.decision.person_id) == (Outcome.REVIEW, "zoe")
    assert close.decision.reasons[0] == ELSEWHERE_REASON


def test_a_likeness_elsewhere_does_not_take_a_person_from_their_site() -> None:
    # 0.58 would only be for review in the organisation.
    found = verdict(zoe=0.58, ann=0.56)
    assert (found.decision.outcome, found.decision.person_id) == (Outcome.IDENTIFIED, "ann")
    assert verdict(zoe=0.58, ann=0.45).decision.person_id == "ann"


def test_whom_the_organisation_would_review_is_reviewed() -> None:
    found = verdict(zoe=0.55, ann=0.1)
    assert (found.decision.outcome, found.decision.person_id, found.is_elsewhere) == (
        Outcome.REVIEW,
        "zoe",
        True,
    )


def test_a_stranger_is_unknown() -> None:
    found = verdict(zoe=0.3, ann=0.1)
    assert (found.decision.outcome, found.searched_count) == (Outcome.UNKNOWN, 2)


def test_a_site_without_people_reviews_everybody() -> None:
    assert verdict(zoe=0.9).decision.outcome is Outcome.REVIEW
    nobody = decide_at_site(Ranking((), 0), Ranking((), 0), SITE, thresholds_of)
    assert nobody.decision.outcome is Outcome.UNKNOWN


@given(st.dictionaries(st.sampled_from(["ann", "abe", "zoe", "yan"]), st.floats(-1, 1), max_size=4))
def test_a_scope_identifies_only_its_people_and_hides_nobody(scores: dict[str, float]) -> None:
    found = verdict(**scores)
    if found.decision.outcome is Outcome.IDENTIFIED:
        assert found.decision.person_id in SITE
    ranked = sorted((RankedPerson(PersonId(n), s) for n, s in scores.items()), key=lambda one: -one.score)
    unlimited = decide(ranked[:2], MANY)
    if unlimited.outcome is not Outcome.UNKNOWN:
        assert found.decision.outcome is not Outcome.UNKNOWN

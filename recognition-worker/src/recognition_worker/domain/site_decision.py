"""Decides a capture at a site that compares with its own people, and still loses nobody of the others.

The site's own people decide, with the thresholds of their number. Somebody of another site is never
identified here, but goes to a human: a clerk expects a visitor's hours in the list of reviews, not among the
strangers, and not on the account of the person of this site who looks most like them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from recognition_worker.domain.decision import Decision, Outcome, Thresholds, decide
from recognition_worker.domain.identity import PersonId, Ranking

ELSEWHERE_REASON = "the closest match is a person of another site: confirm who was here"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, how many people it was a choice of, and whether it is about somebody of another site."""

    decision: Decision
    searched_count: int
    is_elsewhere: bool = False


def decide_at_site(
    of_site: Ranking,
    of_all: Ranking,
    site_people: Collection[PersonId],
    thresholds_of: Callable[[int], Thresholds],
) -> Verdict:
    """Decide from the ranking of a site's people and that of the whole organisation.

    REVIEW, naming somebody of another site, when they reach the organisation's threshold and nobody scores
    more; or when no one of the site resembles the face, and they would go to review without a scope.
    """
    own = decide(of_site.people, thresholds_of(of_site.searched_count))
    wide = decide(of_all.people, thresholds_of(of_all.searched_count))
    if wide.person_id is None or wide.score is None or wide.person_id in site_people:
        return Verdict(own, of_site.searched_count)
    if wide.score < wide.threshold and own.outcome is not Outcome.UNKNOWN:
        return Verdict(own, of_site.searched_count)
    review = replace(wide, outcome=Outcome.REVIEW, reasons=(ELSEWHERE_REASON, *wide.reasons))
    return Verdict(review, of_all.searched_count, is_elsewhere=True)

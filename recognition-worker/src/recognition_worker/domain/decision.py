"""Turns a ranking into IDENTIFIED, REVIEW or UNKNOWN.

Nobody by default: the best person must score at least the threshold and lead the next person by the margin.
A score in the review band, or a lead that is too small, is for a human. The thresholds belong to one model
and version (`model_manifest`); nothing here knows where they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from recognition_worker.domain.identity import PersonId, RankedPerson


class Outcome(StrEnum):
    """What became of a capture; the symbols are those of MatchDecided."""

    IDENTIFIED = "IDENTIFIED"
    REVIEW = "REVIEW"
    UNKNOWN = "UNKNOWN"
    NO_FACE = "NO_FACE"
    POOR_QUALITY = "POOR_QUALITY"
    SUSPECTED_SPOOF = "SUSPECTED_SPOOF"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cosine scores. review_threshold <= threshold; margin: the lead over the next person."""

    threshold: float
    margin: float
    review_threshold: float

    def __post_init__(self) -> None:
        if not -1.0 <= self.review_threshold <= self.threshold <= 1.0:
            raise ValueError(
                f"thresholds must satisfy -1 <= review_threshold ({self.review_threshold}) <= threshold "
                f"({self.threshold}) <= 1"
            )
        if self.margin < 0.0:
            raise ValueError(f"margin must not be negative, it is {self.margin}")


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome with everything it was based on; person_id is None for UNKNOWN."""

    outcome: Outcome
    person_id: PersonId | None
    score: float | None
    runner_up_person_id: PersonId | None
    runner_up_score: float | None
    threshold: float
    margin: float
    reasons: tuple[str, ...] = ()


def decide(ranking: Sequence[RankedPerson], thresholds: Thresholds) -> Decision:
    """Decide about a ranking, best person first."""
    if not ranking:
        return _unknown(None, None, thresholds, "nobody is enrolled who could be compared")
    best = ranking[0]
    next_best = ranking[1] if len(ranking) > 1 else None
    if best.score < thresholds.review_threshold:
        return _unknown(best, next_best, thresholds, "the face resembles nobody enrolled closely enough")
    lead = best.score - next_best.score if next_best else float("inf")
    if best.score < thresholds.threshold:
        reason = f"the score {best.score:.3f} is below the {thresholds.threshold:.3f} an identification needs"
        return _about(Outcome.REVIEW, best, next_best, thresholds, (reason,))
    if lead < thresholds.margin:
        reason = f"the lead of {lead:.3f} over the next person is below the required {thresholds.margin:.3f}"
        return _about(Outcome.REVIEW, best, next_best, thresholds, (reason,))
    return _about(Outcome.IDENTIFIED, best, next_best, thresholds, ())


def _about(
    outcome: Outcome,
    best: RankedPerson,
    next_best: RankedPerson | None,
    thresholds: Thresholds,
    reasons: tuple[str, ...],
) -> Decision:
    return Decision(
        outcome=outcome,
        person_id=best.person_id,
        score=best.score,
        runner_up_person_id=next_best.person_id if next_best else None,
        runner_up_score=next_best.score if next_best else None,
        threshold=thresholds.threshold,
        margin=thresholds.margin,
        reasons=reasons,
    )


def _unknown(
    best: RankedPerson | None, next_best: RankedPerson | None, thresholds: Thresholds, reason: str
) -> Decision:
    # Scores are kept for calibration, names are not: an unknown person is nobody's candidate.
    return Decision(
        outcome=Outcome.UNKNOWN,
        person_id=None,
        score=best.score if best else None,
        runner_up_person_id=None,
        runner_up_score=next_best.score if next_best else None,
        threshold=thresholds.threshold,
        margin=thresholds.margin,
        reasons=(reason,),
    )

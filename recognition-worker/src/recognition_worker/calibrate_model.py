"""Proposes a model's operating points from an evaluation with the production gate.

Thresholds come only from the scores that known people reach with each other, by a fitted tail: FPIR grows
with the gallery, and the rates that matter lie beyond what a small evaluation has seen. The strangers are
kept for counting what the thresholds in force make of them. The figures are what the manifest's
`evaluation` and the README state.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from recognition_worker.domain.decision import Decision, Outcome, decide
from recognition_worker.domain.evaluation import fnir
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.operating_point import NonMatedTail, fit_tail
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluate_model import Attempt, Measured

GALLERY_SIZES = (200, 2_000, 20_000)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold for a gallery of so many people. found: the share of captures that reaches it here.

    pessimistic: the same from the upper 95 % limit of the tail.
    """

    people_up_to: int
    threshold: float
    found: float
    pessimistic_threshold: float
    pessimistic_found: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The proposals with the evaluation that they come from. outcomes: under the thresholds in force."""

    model: str
    target_fpir: float
    people_enrolled: int
    people_refused: int
    refused_enrolment_photos: Mapping[str, int]
    captures_of_enrolled: int
    identified: int
    identified_as_somebody_else: int
    outcomes: Mapping[str, int]
    captures_of_strangers: int
    strangers_identified: int
    stranger_outcomes: Mapping[str, int]
    tail: NonMatedTail
    operating_points: tuple[Proposal, ...]

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def calibrate(
    measured: Measured,
    manifest: ModelManifest,
    *,
    target_fpir: float,
    gallery_sizes: Sequence[int] = GALLERY_SIZES,
) -> Calibration:
    """Propose operating points for the gallery sizes.

    Raises:
        EvaluationRefused: too few comparisons of different people to fit a tail.
    """
    try:
        tail = fit_tail(np.concatenate([attempt.others for attempt in measured.probes]))
    except ValueError as error:
        raise EvaluationRefused(f"{error}; calibrate with more people or more photos") from error
    mated = measured.searches.mated
    points = []
    for people_count in gallery_sizes:
        threshold = tail.threshold_for(target_fpir, people_count)
        pessimistic = tail.pessimistic().threshold_for(target_fpir, people_count)
        points.append(
            Proposal(
                people_count, threshold, 1 - fnir(mated, threshold), pessimistic, 1 - fnir(mated, pessimistic)
            )
        )
    searched = len(measured.enrolled)
    decided = [(attempt, _decision(attempt, manifest, searched)) for attempt in measured.probes]
    named = [
        (attempt.person_id, decision.person_id)
        for attempt, decision in decided
        if decision is not None and decision.outcome is Outcome.IDENTIFIED
    ]
    strangers = Counter(_outcome(attempt, manifest, searched) for attempt in measured.strangers)
    return Calibration(
        model=str(measured.model),
        target_fpir=target_fpir,
        people_enrolled=searched,
        people_refused=len(measured.not_enrolled),
        refused_enrolment_photos=dict(measured.refused_enrolments),
        captures_of_enrolled=len(decided),
        identified=sum(shown == found for shown, found in named),
        identified_as_somebody_else=sum(shown != found for shown, found in named),
        outcomes=dict(Counter(_outcome(attempt, manifest, searched) for attempt in measured.probes)),
        captures_of_strangers=len(measured.strangers),
        strangers_identified=strangers[Outcome.IDENTIFIED.value],
        stranger_outcomes=dict(strangers),
        tail=tail,
        operating_points=tuple(points),
    )


def _decision(attempt: Attempt, manifest: ModelManifest, searched: int) -> Decision | None:
    return decide(attempt.best, manifest.thresholds(searched)) if attempt.best else None


def _outcome(attempt: Attempt, manifest: ModelManifest, searched: int) -> str:
    decision = _decision(attempt, manifest, searched)
    return decision.outcome.value if decision else "REFUSED"

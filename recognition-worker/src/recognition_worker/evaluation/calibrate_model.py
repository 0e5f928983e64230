"""Makes a model's operating points from an evaluation with the production gate.

Thresholds come only from the scores that known people reach with each other, by a fitted tail: FPIR grows
with the gallery, and the rates that matter lie beyond what a small evaluation has seen. The rule:

1. Up to the size that was measured, the upper 95 % limit of the tail's threshold; beyond it the threshold of
   the tail itself, which errs on the safe side far out, and never less than at the size measured.
2. Never below the floor, for which the operator has a reason from outside the photos.
3. The review band begins where the tail lets one stranger in twenty through, so that a person looks at
   those who are nearly somebody.

The strangers are kept for counting what the thresholds in force make of them. What comes out is what the
manifest states.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import msgspec
import numpy as np

from recognition_worker.domain.decision import Decision, Outcome, decide
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.operating_point import TARGET_FPIRS, OperatingPoint
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.domain.error_rates import Interval, fnir
from recognition_worker.evaluation.domain.non_mated_tail import NonMatedTail, fit_tail, resampled_tails
from recognition_worker.evaluation.measured import Attempt, Measured

GALLERY_SIZES = (200, 2_000, 20_000, 200_000)
REVIEW_FPIR = 0.05
MARGIN = 0.05
_UPPER, _BOTH = 0.95, (0.025, 0.975)
_NEAR = 1.5  # up to so many times the people measured, nothing is called extrapolated
_DIGITS = 3  # a threshold is not known better, and a person must be able to read it


@dataclass(frozen=True, slots=True)
class Rules:
    """What is calibrated for. floor: no threshold lies below it, and floor_reason says why."""

    target_fpirs: tuple[float, ...] = TARGET_FPIRS
    gallery_sizes: tuple[int, ...] = GALLERY_SIZES
    floor: float = -1.0
    floor_reason: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The operating points with the evaluation that they come from. outcomes: under the thresholds in force.

    close_calls: captures of enrolled people whose right person came first, at the threshold or above, and
    led by less than the margin.
    """

    model: str
    people_enrolled: int
    people_refused: int
    refused_enrolment_photos: Mapping[str, int]
    captures_of_enrolled: int
    identified: int
    identified_as_somebody_else: int
    close_calls: int
    outcomes: Mapping[str, int]
    captures_of_strangers: int
    strangers_identified: int
    stranger_outcomes: Mapping[str, int]
    comparisons: int
    tail: NonMatedTail
    start_interval: Interval
    decay_interval: Interval
    floor: float
    floor_reason: str
    operating_points: tuple[OperatingPoint, ...]

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        points = [msgspec.to_builtins(point) for point in self.operating_points]
        return {**asdict(self), "operating_points": points}

    def calibrated(self, manifest: ModelManifest, source: Mapping[str, str | int | float]) -> ModelManifest:
        """Return the manifest with these points. source: command, photos and digests, for its evaluation."""
        evaluation: dict[str, str | int | float] = {
            **source,
            "people_enrolled": self.people_enrolled,
            "people_refused": self.people_refused,
            "captures_of_enrolled": self.captures_of_enrolled,
            "captures_of_strangers": self.captures_of_strangers,
            "comparisons_of_different_people": self.comparisons,
            "tail_start": round(self.tail.start, 4),
            "tail_decay": round(self.tail.decay, 4),
            "tail_scores": self.tail.count,
            "tail_decay_low": round(self.decay_interval.low, 4),
            "tail_decay_high": round(self.decay_interval.high, 4),
        }
        if self.floor_reason:
            evaluation |= {"floor": self.floor, "floor_reason": self.floor_reason}
        return msgspec.structs.replace(
            manifest,
            operating_points=self.operating_points,
            evaluation=evaluation,
        )


def calibrate(measured: Measured, manifest: ModelManifest, rules: Rules) -> Calibration:
    """Make operating points for the gallery sizes and targets.

    Raises:
        EvaluationRefused: too few comparisons of different people to fit a tail.
    """
    try:
        tail = fit_tail(measured.non_mated)
    except ValueError as error:
        raise EvaluationRefused(f"{error}; calibrate with more people or more photos") from error
    drawn = tuple(resampled_tails(measured.non_mated))
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
        people_enrolled=searched,
        people_refused=len(measured.not_enrolled),
        refused_enrolment_photos=dict(measured.refused_enrolments),
        captures_of_enrolled=len(decided),
        identified=sum(shown == found for shown, found in named),
        identified_as_somebody_else=sum(shown != found for shown, found in named),
        close_calls=sum(_is_close_call(attempt, manifest, searched) for attempt in measured.probes),
        outcomes=dict(Counter(_outcome(attempt, manifest, searched) for attempt in measured.probes)),
        captures_of_strangers=len(measured.strangers),
        strangers_identified=strangers[Outcome.IDENTIFIED.value],
        stranger_outcomes=dict(strangers),
        comparisons=measured.non_mated.count,
        tail=tail,
        start_interval=_interval([one.start for one in drawn]),
        decay_interval=_interval([one.decay for one in drawn]),
        floor=rules.floor,
        floor_reason=rules.floor_reason,
        operating_points=tuple(_points(measured, tail, drawn, rules)),
    )


def _points(
    measured: Measured, tail: NonMatedTail, drawn: Sequence[NonMatedTail], rules: Rules
) -> Iterator[OperatingPoint]:
    people = len(measured.enrolled)
    for target_fpir in sorted(rules.target_fpirs):
        at_measured = [one.threshold_for(target_fpir, people) for one in drawn]
        least = max(rules.floor, float(np.quantile(at_measured, _UPPER)))
        for size in sorted(rules.gallery_sizes):
            fitted = tail.threshold_for(target_fpir, size)
            threshold = round(min(1.0, max(least, fitted)), _DIGITS)
            review = round(min(threshold, tail.threshold_for(REVIEW_FPIR, size)), _DIGITS)
            spread = np.quantile([one.threshold_for(target_fpir, size) for one in drawn], _BOTH)
            yield OperatingPoint(
                people_up_to=size,
                threshold=threshold,
                margin=MARGIN,
                review_threshold=review,
                evidence=_evidence(fitted, least, size, people, rules),
                target_fpir=target_fpir,
                threshold_interval=(round(float(spread[0]), _DIGITS), round(float(spread[1]), _DIGITS)),
                identified=round(1 - fnir(measured.searches.mated, threshold), 4),
            )


def _evidence(fitted: float, least: float, size: int, people: int, rules: Rules) -> str:
    origin = f"tail of {people} people" + (", extrapolated" if size > _NEAR * people else "")
    if fitted >= least:
        return f"{origin}: {fitted:.3f}"
    if least == rules.floor:
        return f"{origin}: {fitted:.3f}, raised to the floor"
    return f"{origin}: {fitted:.3f}, raised to the upper 95 % limit at {people} people"


def _interval(values: Sequence[float]) -> Interval:
    low, high = np.quantile(values, _BOTH)
    return Interval(float(low), float(high))


def _decision(attempt: Attempt, manifest: ModelManifest, searched: int) -> Decision | None:
    return decide(attempt.best, manifest.thresholds(searched)) if attempt.best else None


def _is_close_call(attempt: Attempt, manifest: ModelManifest, searched: int) -> bool:
    thresholds = manifest.thresholds(searched)
    if attempt.mated_score < thresholds.threshold or len(attempt.best) < 2:  # noqa: PLR2004 - nobody to lead
        return False
    return attempt.best[0].score - attempt.best[1].score < thresholds.margin


def _outcome(attempt: Attempt, manifest: ModelManifest, searched: int) -> str:
    decision = _decision(attempt, manifest, searched)
    return decision.outcome.value if decision else "REFUSED"

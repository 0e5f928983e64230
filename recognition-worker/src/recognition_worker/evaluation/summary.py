"""What an evaluation comes to: the figures of the 1:N protocol under the names that they have in JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from recognition_worker.evaluation.domain import error_rates
from recognition_worker.evaluation.domain.error_rates import Interval
from recognition_worker.evaluation.measured import Measured

_ORDER = ("decode", "detect", "align", "quality", "represent", "embed", "search")
_BIN = 0.05
_BINS = round(2 / _BIN)  # from -1 to 1


@dataclass(frozen=True, slots=True)
class ScoreHistograms:
    """Counts in bins of equal width, from -1 on: scores with the person shown, best scores of strangers."""

    bin_width: float
    mates: tuple[int, ...]
    strangers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """The figures. Rates are shares in [0, 1]; fnir and fpir hold at the threshold.

    enrolled: people. probes, strangers: captures. fta: share of both that gave no embedding; such captures
    also count as not found. stages_ms: means over the captures that reached the stage.
    """

    model: str
    enrolled: int
    probes: int
    strangers: int
    fta: float
    rank1: float
    target_fpir: float
    threshold: float
    fnir: float
    fpir: float
    images_per_second: float
    stages_ms: Mapping[str, float]
    pipeline: str
    gate: bool
    enrolment_photos: int
    fnir_interval: Interval
    not_enrolled: int
    left_out: int
    refused_enrolment_photos: Mapping[str, int]
    refused_captures: Mapping[str, int]
    score_histograms: ScoreHistograms

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def summarise(
    measured: Measured, *, pipeline: str, gate: bool, enrolment_photos: int, target_fpir: float
) -> EvaluationSummary:
    """Compute the figures at the threshold that keeps the target FPIR."""
    searches = measured.searches
    threshold = error_rates.threshold_at(searches.strangers, target_fpir)
    stages = measured.stages_ms
    return EvaluationSummary(
        model=str(measured.model),
        enrolled=len(measured.enrolled),
        probes=len(measured.probes),
        strangers=len(measured.strangers),
        fta=measured.failure_to_acquire,
        rank1=error_rates.rank1(searches.mated),
        target_fpir=target_fpir,
        threshold=threshold,
        fnir=error_rates.fnir(searches.mated, threshold),
        fpir=error_rates.fpir(searches.strangers, threshold),
        images_per_second=(len(measured.probes) + len(measured.strangers)) / measured.seconds,
        stages_ms={stage: round(stages[stage], 3) for stage in _ORDER if stage in stages},
        pipeline=pipeline,
        gate=gate,
        enrolment_photos=enrolment_photos,
        fnir_interval=error_rates.fnir_interval(searches, target_fpir),
        not_enrolled=len(measured.not_enrolled),
        left_out=len(measured.left_out),
        refused_enrolment_photos=dict(measured.refused_enrolments),
        refused_captures=dict(measured.refused_captures),
        score_histograms=ScoreHistograms(
            _BIN,
            _histogram([one.mate_score for one in measured.probes if one.mate_score is not None]),
            _histogram([one.best_score for one in measured.strangers if one.best]),
        ),
    )


def _histogram(scores: Sequence[float]) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(scores, -1.0, 1.0), bins=_BINS, range=(-1.0, 1.0))
    return tuple(counts.tolist())

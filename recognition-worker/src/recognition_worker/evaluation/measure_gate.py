"""Measures the quality gate: what share of the errors each of its reasons removes, and what it costs.

Matching: every photo of a known person is once the capture, with the mean of the person's other photos as
the template among everybody's, and every stranger's photo is a capture. An error is a known person who is
not identified, or a stranger who is, at the thresholds in force. Enrolment: every photo is once the only
template of its person, compared with each of their other photos; an error is a pair that stays below the
threshold. The gate is asked about each photo by the rules of production, but all photos take part, so that
what it would have refused can be counted among errors and successes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.quality import ENROLMENT_LIMITS, MATCH_LIMITS
from recognition_worker.domain.template_choice import mean_template
from recognition_worker.errors import EvaluationRefused, UndecodableImage
from recognition_worker.evaluation.domain.error_rates import Interval
from recognition_worker.evaluation.encode_faces import NO_FACE, FaceEncoder
from recognition_worker.evaluation.evaluate_model import PersonPhotos
from recognition_worker.recognition.enrol_person import TWO_FACES_REASON
from recognition_worker.recognition.recognise import FaceAnalyser, FaceProbe, NoFace, PoorQuality

_BATCH = 16
_RESAMPLES = 1000
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ReasonEffect:
    """One reason to refuse, or all together. errors, successes: how many of either it refuses.

    errors_removed and successes_lost: the same as shares of all errors and of all successes.
    """

    reason: str
    refused: int
    errors: int
    successes: int
    errors_removed: float
    successes_lost: float


@dataclass(frozen=True, slots=True)
class GateEffect:
    """The gate at one place. trials: captures when matching, pairs of photos at enrolment.

    removed_interval: 95 %, people drawn again.
    """

    trials: int
    errors: int
    photos: int
    photos_refused: int
    all_reasons: ReasonEffect
    removed_interval: Interval
    by_reason: tuple[ReasonEffect, ...]


@dataclass(frozen=True, slots=True)
class GateMeasurement:
    """The gate when matching and at enrolment, at the thresholds in force for so many people."""

    model: str
    people: int
    strangers: int
    threshold: float
    match: GateEffect
    enrolment: GateEffect

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Photo:
    """One photo with a face. person: number, from 0 for the known people; of strangers, above those."""

    person: int
    embedding: Vector
    at_match: frozenset[str]
    at_enrolment: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Trial:
    person: int
    is_error: bool
    reasons: frozenset[str]


def measure_gate(
    encoder: FaceEncoder,
    analyser: FaceAnalyser,
    manifest: ModelManifest,
    known: Sequence[PersonPhotos],
    unknown: Sequence[PersonPhotos],
    *,
    on_photos: Callable[[int], None] = lambda _count: None,
) -> GateMeasurement:
    """Measure the gate; encoder: without a gate.

    Raises:
        EvaluationRefused: nobody has two photos with a face, or there is no stranger with one.
    """
    people = [person for person in known if len(person.photos) > 1]
    photos = _photos(encoder, analyser, people, 0, on_photos)
    strangers = _photos(encoder, analyser, unknown, len(people), on_photos)
    of_person = [[photo for photo in photos if photo.person == number] for number in range(len(people))]
    of_person = [mine for mine in of_person if len(mine) > 1]
    if len(of_person) < 2 or not strangers:  # noqa: PLR2004 - somebody must be taken for somebody else
        raise EvaluationRefused(
            f"{len(of_person)} known people have two photos with a face, and {len(strangers)} photos of "
            "strangers have one; two people and one stranger are needed to measure the gate"
        )
    threshold = manifest.thresholds(len(of_person)).threshold
    return GateMeasurement(
        model=str(encoder.model),
        people=len(of_person),
        strangers=len(strangers),
        threshold=threshold,
        match=_effect(
            _matching(of_person, strangers, threshold), [one.at_match for one in (*photos, *strangers)]
        ),
        enrolment=_effect(_enrolling(of_person, threshold), [one.at_enrolment for one in photos]),
    )


def _photos(
    encoder: FaceEncoder,
    analyser: FaceAnalyser,
    people: Sequence[PersonPhotos],
    first: int,
    on_photos: Callable[[int], None],
) -> list[_Photo]:
    taken = [(first + number, read) for number, one in enumerate(people) for read in one.photos]
    found = []
    for start in range(0, len(taken), _BATCH):
        batch = [(person, read()) for person, read in taken[start : start + _BATCH]]
        encoded = encoder.probe([image for _, image in batch])
        found += [
            _Photo(person, one.embedding, *_reasons(analyser, image))
            for (person, image), one in zip(batch, encoded, strict=True)
            if one.embedding is not None
        ]
        on_photos(len(batch))
    return found


def _reasons(analyser: FaceAnalyser, image: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Ask the gate about a photo, when matching and at enrolment."""
    found = []
    for limits, thorough in ((MATCH_LIMITS, False), (ENROLMENT_LIMITS, True)):
        try:
            analysis = analyser.analyse(image, limits, thorough=thorough)
        except UndecodableImage as error:
            found.append(frozenset({str(error)}))
            continue
        match analysis:
            case NoFace():
                found.append(frozenset({NO_FACE}))
            case PoorQuality(reasons=reasons):
                found.append(frozenset(map(_kind, reasons)))
            case FaceProbe(rival_count=rivals):
                found.append(frozenset({_kind(TWO_FACES_REASON)} if thorough and rivals else ()))
    return found[0], found[1]


def _kind(reason: str) -> str:
    """Return a reason without its figures and its advice."""
    return reason.partition(":")[0].partition(" (")[0]


def _matching(
    of_person: Sequence[Sequence[_Photo]], strangers: Sequence[_Photo], threshold: float
) -> list[_Trial]:
    means = np.array([mean_template(_embeddings(mine)) for mine in of_person])
    trials = []
    for number, mine in enumerate(of_person):
        for at, photo in enumerate(mine):
            # Everybody's templates, but their own without the capture.
            scores = means @ photo.embedding
            own = mean_template(_embeddings([*mine[:at], *mine[at + 1 :]])) @ photo.embedding
            scores[number] = own
            is_error = own < threshold or int(scores.argmax()) != number
            trials.append(_Trial(photo.person, bool(is_error), photo.at_match))
    for photo in strangers:
        is_error = float((means @ photo.embedding).max()) >= threshold
        trials.append(_Trial(photo.person, is_error, photo.at_match))
    return trials


def _enrolling(of_person: Sequence[Sequence[_Photo]], threshold: float) -> list[_Trial]:
    return [
        _Trial(photo.person, float(photo.embedding @ other.embedding) < threshold, photo.at_enrolment)
        for mine in of_person
        for at, photo in enumerate(mine)
        for other_at, other in enumerate(mine)
        if other_at != at
    ]


def _embeddings(photos: Sequence[_Photo]) -> Vector:
    return np.array([photo.embedding for photo in photos])


def _effect(trials: Sequence[_Trial], photos: Sequence[frozenset[str]]) -> GateEffect:
    counted = Counter(reason for reasons in photos for reason in reasons)
    errors = sum(trial.is_error for trial in trials)

    def effect(name: str, refused: int, hits: Sequence[bool]) -> ReasonEffect:
        wrong = sum(trial.is_error and hit for trial, hit in zip(trials, hits, strict=True))
        right = sum(hits) - wrong
        return ReasonEffect(
            name, refused, wrong, right, wrong / max(1, errors), right / max(1, len(trials) - errors)
        )

    refused = sum(bool(reasons) for reasons in photos)
    return GateEffect(
        trials=len(trials),
        errors=errors,
        photos=len(photos),
        photos_refused=refused,
        all_reasons=effect("all", refused, [bool(trial.reasons) for trial in trials]),
        removed_interval=_interval(trials),
        by_reason=tuple(
            effect(reason, count, [reason in trial.reasons for trial in trials])
            for reason, count in counted.most_common()
        ),
    )


def _interval(trials: Sequence[_Trial], seed: int = 1) -> Interval:
    """Bootstrap the share of errors removed; whole people are drawn, because their errors go together."""
    random = np.random.default_rng(seed)
    count = max(trial.person for trial in trials) + 1
    errors, removed = np.zeros(count), np.zeros(count)
    for trial in trials:
        errors[trial.person] += trial.is_error
        removed[trial.person] += trial.is_error and bool(trial.reasons)
    drawn: NDArray[np.intp] = random.integers(0, count, (_RESAMPLES, count))
    of_draw = errors[drawn].sum(axis=1)
    shares = removed[drawn].sum(axis=1) / np.maximum(of_draw, 1)
    tail = (1 - _CONFIDENCE) / 2
    return Interval(float(np.quantile(shares, tail)), float(np.quantile(shares, 1 - tail)))

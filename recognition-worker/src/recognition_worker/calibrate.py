"""Measures a model on photos of known and unknown people and proposes its operating points.

`python -m recognition_worker.calibrate --known DIR --unknown DIR --model-cache DIR`: DIR/PERSON/1.jpg,
2.jpg and so on. The photos go through the same use cases as in production. Photos 1 and 2 enrol, the rest
are captures. Thresholds come only from the scores that known people reach with each other; the unknown
people are kept for the evaluation. The figures are what the manifest's `evaluation` and the README state.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition_worker.adapters.deepface_sface_embedder import DeepFaceSFaceEmbedder
from recognition_worker.adapters.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNetDetector,
)
from recognition_worker.adapters.packaged_models import prepare_models
from recognition_worker.domain.gallery import InMemoryGallery
from recognition_worker.domain.identity import OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.operating_point import NonMatedTail, fit_tail
from recognition_worker.enrol_person import EnrolPerson, Photo
from recognition_worker.identify_capture import AnalysedCapture, IdentifyCapture
from recognition_worker.recognise import FaceAnalyser
from recognition_worker.results import CaptureResult

_ORG = OrgId("calibration")
_ENROLMENT_PHOTOS = ("1", "2")
_GALLERY_SIZES = (200, 2_000, 20_000)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One capture: who it shows, and what came out. non_mated: its scores with everybody else enrolled."""

    person_id: PersonId
    enrolled: bool
    result: CaptureResult
    non_mated: tuple[float, ...]


class Calibration:
    """Holds the pipeline as the worker composes it, with an empty gallery."""

    def __init__(self, model_cache: Path) -> None:
        files = prepare_models(model_cache)
        self._embedder = DeepFaceSFaceEmbedder(files)
        self._gallery = InMemoryGallery(files.manifest.model, files.manifest.dimensions)
        analyser = FaceAnalyser(
            OpenCvImageDecoder(),
            OpenCvYuNetDetector(files.yunet_file),
            OpenCvFaceCropper(),
            time.perf_counter,
        )
        parts = (analyser, self._embedder, self._gallery, files.manifest, time.perf_counter)
        self._enrol = EnrolPerson(*parts)
        self._identify = IdentifyCapture(*parts)
        self.enrolled: set[PersonId] = set()
        self.refused: Counter[str] = Counter()

    def enrol(self, person_id: PersonId, files: Iterable[Path]) -> None:
        """Enrol a person with their photos."""
        photos = [Photo(file.read_bytes()) for file in files]
        verdicts = self._enrol(photos, org_id=_ORG, person_id=person_id).photos
        for number, verdict in enumerate(verdicts):
            self.refused.update(reason.split(":")[0].split(" (")[0] for reason in verdict.reasons)
            if verdict.embedding is not None:
                template_id = TemplateId(f"{person_id}:{number}")
                model = self._embedder.model
                self._gallery.add(Template(_ORG, person_id, template_id, model, verdict.embedding))
                self.enrolled.add(person_id)

    def attempt(self, person_id: PersonId, file: Path) -> Attempt:
        """Identify one capture."""
        analysis = self._identify.analyse(file.read_bytes())
        result = self._identify.decide([AnalysedCapture(_ORG, analysis)])[0]
        enrolled = person_id in self.enrolled
        non_mated: tuple[float, ...] = ()
        crop = getattr(analysis, "crop", None)
        if crop is not None:
            people = self._gallery.search(
                self._embedder.embed([crop])[0], self._embedder.model, org_id=_ORG, limit=len(self.enrolled)
            ).people
            non_mated = tuple(person.score for person in people if person.person_id != person_id)
        return Attempt(person_id, enrolled, result, non_mated)


def run(known: Path, unknown: Path, model_cache: Path) -> Iterator[str]:
    """Measure, and yield the report line by line."""
    calibration = Calibration(model_cache)
    people = {PersonId(folder.name): sorted(folder.glob("*.jpg")) for folder in sorted(known.iterdir())}
    for person_id, files in people.items():
        calibration.enrol(person_id, [file for file in files if file.stem in _ENROLMENT_PHOTOS])
    yield f"enrolled: {len(calibration.enrolled)} of {len(people)} people"
    yield from (
        f"  refused photos: {count} because {reason}" for reason, count in calibration.refused.items()
    )
    mated = [
        calibration.attempt(person_id, file)
        for person_id, files in people.items()
        for file in files
        if file.stem not in _ENROLMENT_PHOTOS and person_id in calibration.enrolled
    ]
    strangers = [
        calibration.attempt(PersonId(file.parent.name), file) for file in sorted(unknown.rglob("*.jpg"))
    ]
    yield from _report(mated, strangers)
    tail = fit_tail(np.array([score for attempt in mated for score in attempt.non_mated]))
    yield from _proposals(tail, mated)


def _report(mated: list[Attempt], strangers: list[Attempt]) -> Iterator[str]:
    outcomes = Counter(attempt.result.outcome.value for attempt in mated)
    right = sum(identified_as(attempt) == attempt.person_id for attempt in mated)
    wrong = sum(identified_as(attempt) not in (None, attempt.person_id) for attempt in mated)
    false_positives = sum(identified_as(attempt) is not None for attempt in strangers)
    yield f"captures of enrolled people: {len(mated)}, outcomes {dict(outcomes)}"
    yield f"  identified {right / len(mated):.4f}, as somebody else {wrong}"
    yield f"captures of strangers: {len(strangers)}, identified {false_positives}, outcomes " + str(
        dict(Counter(attempt.result.outcome.value for attempt in strangers))
    )


def _proposals(tail: NonMatedTail, mated: list[Attempt]) -> Iterator[str]:
    yield f"tail of non-mated scores: {tail}"
    for people_count in _GALLERY_SIZES:
        for name, used in (("fitted", tail), ("pessimistic", tail.pessimistic())):
            threshold = used.threshold_for(0.003, people_count)
            found = np.mean([_would_identify(attempt, threshold) for attempt in mated])
            yield (
                f"up to {people_count} people, {name} tail: threshold {threshold:.3f} for FPIR 0.3 %, "
                f"finds {found:.4f} here"
            )


def _would_identify(attempt: Attempt, threshold: float) -> bool:
    decision = attempt.result.decision
    return (
        decision is not None
        and decision.person_id == attempt.person_id
        and decision.score is not None
        and decision.score >= threshold
    )


def identified_as(attempt: Attempt) -> PersonId | None:
    """Return whom an attempt was identified as; None for every other outcome."""
    result = attempt.result
    return result.person_id if result.outcome.value == "IDENTIFIED" else None


def main() -> int:
    """Parse the command line and print the report."""
    parser = argparse.ArgumentParser(prog="python -m recognition_worker.calibrate", description=__doc__)
    parser.add_argument("--known", type=Path, required=True, help="one folder per person: 1.jpg, 2.jpg, ...")
    parser.add_argument("--unknown", type=Path, required=True, help="one folder per stranger")
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    arguments = parser.parse_args()
    for line in run(arguments.known, arguments.unknown, arguments.model_cache):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

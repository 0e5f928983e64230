import json
from collections.abc import Sequence

import numpy as np
import pytest

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId, PersonId
from recognition_worker.domain.model_manifest import ModelManifest, SourceFile
from recognition_worker.domain.operating_point import OperatingPoint
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.calibrate_model import Rules, calibrate
from recognition_worker.evaluation.compare_templates import compare_templates
from recognition_worker.evaluation.domain.pairs import PhotoRef, parse_pairs
from recognition_worker.evaluation.encode_faces import NO_FACE, Encoded
from recognition_worker.evaluation.evaluate_model import EvaluateModel, PersonPhotos
from recognition_worker.evaluation.measured import Measured
from recognition_worker.evaluation.summary import summarise
from recognition_worker.evaluation.verify_pairs import verify_pairs

MODEL = ModelId("Words", "1")
DIMENSIONS = 64
KEYS = {
    "model", "enrolled", "probes", "strangers", "fta", "rank1", "target_fpir", "threshold", "fnir", "fpir",
    "images_per_second", "stages_ms",
}  # fmt: skip


class WordEncoder:
    """A photo is `person:blend`; blend is the share of noise in it. An empty photo has no face."""

    model = MODEL

    def enrol(self, person_id: PersonId, photos: Sequence[bytes]) -> list[Encoded]:
        return self.probe(photos)

    def probe(self, photos: Sequence[bytes]) -> list[Encoded]:
        return [self._encode(photo) for photo in photos]

    def _encode(self, photo: bytes) -> Encoded:
        if not photo:
            return Encoded(None, (NO_FACE,), {"decode": 1.0})
        person, blend = photo.decode().split(":")
        own, noise = axis(person), axis(photo.decode())
        mixed = (1 - float(blend)) * own + float(blend) * noise
        return Encoded(mixed / np.linalg.norm(mixed), timings_ms={"decode": 1.0, "embed": 3.0})


def axis(word: str) -> Vector:
    raw = np.random.default_rng(list(word.encode())).normal(size=DIMENSIONS).astype(np.float32)
    return raw / np.linalg.norm(raw)


def person(name: str, *photos: str) -> PersonPhotos:
    return PersonPhotos(PersonId(name), tuple(photo.encode for photo in photos))


def people(count: int, *blends: float) -> list[PersonPhotos]:
    return [person(f"p{k}", *(f"p{k}:{blend}" for blend in blends)) for k in range(count)]


STRANGERS = [person(f"s{k}", f"s{k}:0") for k in range(20)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def measure(known: list[PersonPhotos], unknown: list[PersonPhotos], enrol_count: int = 1) -> Measured:
    evaluate = EvaluateModel(WordEncoder(), InMemoryGallery(MODEL, DIMENSIONS), Clock())
    return evaluate(known, unknown, enrol_count=enrol_count)


def test_the_first_photos_enrol_and_the_others_are_captures() -> None:
    measured = measure([person("a", "a:0", "a:0.1", "a:0.2"), person("b", "b:0", "b:0.1")], STRANGERS)
    assert (measured.enrolled, len(measured.probes), len(measured.strangers)) == (("a", "b"), 3, 20)
    assert [attempt.best[0].person_id for attempt in measured.probes] == ["a", "a", "b"]
    assert measured.searches.mated_people.tolist() == [0, 0, 1]
    others = measured.probes[0].others
    assert others is not None
    assert (len(others.scores), others.people.tolist(), others.count) == (1, [1], 1)
    assert measured.probes[0].mate_score == pytest.approx(measured.probes[0].best_score)
    assert measured.strangers[0].others.count == 2


def test_only_the_highest_scores_with_others_are_kept() -> None:
    measured = measure(people(150, 0, 0.3), STRANGERS)
    non_mated = measured.non_mated
    assert (non_mated.count, len(non_mated.scores)) == (150 * 149, 150 * 64)
    assert not (non_mated.captured == non_mated.enrolled).any()
    # All scores of the first capture, computed here: the kept ones are the highest of the other people.
    templates = np.array([axis(f"p{k}") for k in range(150)])
    everybody = templates @ measured.probes[0].encoded.embedding
    kept = np.sort(non_mated.scores[non_mated.captured == 0])
    assert kept == pytest.approx(np.sort(everybody[1:])[-64:], abs=1e-5)


def test_people_without_a_photo_left_are_left_out() -> None:
    measured = measure([*people(3, 0, 0.1, 0.2), person("b", "b:0", "b:0.1")], STRANGERS, enrol_count=2)
    assert (len(measured.enrolled), measured.left_out) == (3, ("b",))


def test_a_capture_without_a_face_finds_nobody_and_counts() -> None:
    measured = measure(
        [person("a", "a:0", "", "a:0.1"), person("b", "", "b:0")], [*STRANGERS, person("x", "")]
    )
    summary = summarise(measured, pipeline="worker", gate=False, enrolment_photos=1, target_fpir=0.0)
    assert (summary.not_enrolled, summary.refused_enrolment_photos) == (1, {NO_FACE: 1})
    assert (summary.probes, summary.strangers, summary.fta) == (2, 21, pytest.approx(2 / 23))
    assert (summary.rank1, summary.fnir, summary.refused_captures) == (0.5, 0.5, {NO_FACE: 2})


def test_the_summary_has_the_promised_keys_and_is_json() -> None:
    summary = summarise(
        measure(people(10, 0, 0.2), STRANGERS),
        pipeline="worker",
        gate=False,
        enrolment_photos=1,
        target_fpir=0.05,
    )
    found = json.loads(json.dumps(summary.as_json(), allow_nan=False))
    assert set(found) >= KEYS
    assert (found["enrolled"], found["probes"], found["strangers"]) == (10, 10, 20)
    assert (found["rank1"], found["fnir"], found["fpir"]) == (1.0, 0.0, 0.05)
    assert found["stages_ms"] == {"decode": 1.0, "embed": 3.0, "search": pytest.approx(1.0)}
    assert found["images_per_second"] > 0
    histograms = found["score_histograms"]
    assert (histograms["bin_width"], len(histograms["mates"]), len(histograms["strangers"])) == (0.05, 40, 40)
    assert (sum(histograms["mates"]), sum(histograms["strangers"])) == (10, 20)
    assert sum(histograms["mates"][30:]) == 10  # a fifth of noise leaves them above 0.5


def test_a_stranger_who_is_enrolled_is_refused() -> None:
    with pytest.raises(EvaluationRefused, match="p1 is among the known people and among the strangers"):
        measure(people(3, 0, 0.1), [person("p1", "p1:0")])


@pytest.mark.parametrize(
    ("known", "unknown"), [([], STRANGERS), (people(2, 0), STRANGERS), (people(2, 0, 0.1), [])]
)
def test_too_few_photos_are_refused(known: list[PersonPhotos], unknown: list[PersonPhotos]) -> None:
    with pytest.raises(EvaluationRefused, match="at least one of each is needed"):
        measure(known, unknown)


def manifest() -> ModelManifest:
    return ModelManifest(
        name=MODEL.name,
        version=MODEL.version,
        licence="MIT",
        origin="words",
        sha256="",
        input_size=112,
        dimensions=DIMENSIONS,
        same_person_score=0.3,
        source=SourceFile("words", "words", ""),
        operating_points=(OperatingPoint(1000, 0.7, 0.05, 0.5, "invented"),),
        evaluation={},
    )


def test_calibration_counts_outcomes_and_proposes_higher_thresholds_for_larger_galleries() -> None:
    measured = measure([*people(150, 0, 0.1), person("q", "q:0", "")], STRANGERS)
    calibration = calibrate(measured, manifest(), Rules())
    assert (calibration.identified, calibration.identified_as_somebody_else) == (150, 0)
    assert calibration.outcomes == {"IDENTIFIED": 150, "REFUSED": 1}
    assert (calibration.strangers_identified, calibration.close_calls) == (0, 0)
    by = {(one.target_fpir, one.people_up_to): one for one in calibration.operating_points}
    assert sorted(by) == [(f, n) for f in (0.001, 0.003, 0.01) for n in (200, 2000, 20_000, 200_000)]
    for target in (0.001, 0.003, 0.01):
        found = [one.threshold for (f, _), one in by.items() if f == target]
        assert found == sorted(found)
    for size in (2_000, 20_000):
        assert by[0.001, size].threshold > by[0.003, size].threshold > by[0.01, size].threshold
    for one in by.values():
        low, high = one.threshold_interval
        assert low < high
        assert low <= one.threshold
        assert one.review_threshold <= one.threshold
    json.dumps(calibration.as_json(), allow_nan=False)


def test_no_threshold_lies_below_the_floor_and_the_manifest_says_why() -> None:
    measured = measure(people(150, 0, 0.1), STRANGERS)
    calibration = calibrate(measured, manifest(), Rules(floor=0.8, floor_reason="a twin scored 0.79"))
    assert min(one.threshold for one in calibration.operating_points) == 0.8
    assert "raised to the floor" in calibration.operating_points[0].evidence
    made = calibration.calibrated(manifest(), {"command": "calibrate"})
    assert made.evaluation["floor_reason"] == "a twin scored 0.79"
    assert (made.model, made.evaluation["people_enrolled"]) == (manifest().model, 150)
    assert made.for_target(0.001).thresholds(200).threshold >= 0.8


def test_a_calibration_with_too_few_people_is_refused() -> None:
    with pytest.raises(EvaluationRefused, match="calibrate with more people"):
        calibrate(measure(people(3, 0, 0.1), STRANGERS), manifest(), Rules())


def test_more_templates_of_noisy_photos_find_more() -> None:
    known = [person(f"n{k}", *(f"n{k}:0.{55 + j}" for j in range(4))) for k in range(60)]
    choices = compare_templates(WordEncoder(), known, STRANGERS, mirrored=False, target_fpir=0.0)
    assert [(choice.photos, choice.rule) for choice in choices][:2] == [
        (1, "one template"),
        (2, "best score"),
    ]
    assert len(choices) == 7
    by = {(choice.photos, choice.rule): choice.fnir for choice in choices}
    assert by[3, "mean template"] < by[1, "one template"]
    assert by[3, "mean template"] <= by[3, "best score"]


def test_templates_need_people_with_four_faces() -> None:
    with pytest.raises(EvaluationRefused, match="to compare templates"):
        compare_templates(
            WordEncoder(),
            [person("a", "a:0", "a:0.1", "a:0.2", "")],
            STRANGERS,
            mirrored=False,
            target_fpir=0.01,
        )


def test_pairs_of_one_person_are_told_from_pairs_of_two() -> None:
    text = "2 2\nA 1 2\nB 1 2\nA 1 B 1\nA 2 B 2\nC 1 2\nD 1 2\nC 1 D 1\nC 2 D 2\n"
    asked: list[PhotoRef] = []

    def read(photo: PhotoRef) -> bytes:
        asked.append(photo)
        return f"{photo.person}:0.{photo.number}".encode()

    summary = verify_pairs(WordEncoder(), parse_pairs(text), read, pipeline="words")
    assert (summary.accuracy, summary.eer, summary.tpr_at_fpr_1e3, summary.fta) == (1.0, 0.0, 1.0, 0.0)
    assert (summary.pairs, summary.photos, len(asked), summary.folds) == (8, 8, 8, (1.0, 1.0))


def test_a_pair_with_a_refused_photo_counts_as_two_people() -> None:
    text = "2 1\nA 1 2\nA 1 B 1\nC 1 2\nC 1 D 1\n"

    def read(photo: PhotoRef) -> bytes:
        return b"" if photo == PhotoRef("A", 2) else f"{photo.person}:0.{photo.number}".encode()

    summary = verify_pairs(WordEncoder(), parse_pairs(text), read, pipeline="words")
    assert summary.fta == pytest.approx(1 / 6)
    assert summary.folds[0] == 0.5

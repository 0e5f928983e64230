"""The gate on painted faces (conftest): small ones are refused, and lower-case letters resemble half."""

import json
from typing import Any

import pytest

from recognition_worker.domain.identity import PersonId
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.encode_faces import WorkerEncoder
from recognition_worker.evaluation.evaluate_model import PersonPhotos
from recognition_worker.evaluation.measure_gate import GateMeasurement, ReasonEffect, measure_gate

SMALL_TO_ENROL, SMALL_TO_MATCH = 50, 20


def person(name: str, *images: str) -> PersonPhotos:
    return PersonPhotos(PersonId(name), tuple(image.encode for image in images))


def photo(letter: str, size: int = 200) -> str:
    return f"100,100,{size},{letter}"


def measure(world: Any, known: list[PersonPhotos], unknown: list[PersonPhotos]) -> GateMeasurement:
    encoder = WorkerEncoder(world.analyser, world.embedder, world.clock)
    return measure_gate(encoder, world.analyser, world.manifest, known, unknown)


def by_reason(effects: tuple[ReasonEffect, ...]) -> dict[str, tuple[int, int, int]]:
    return {one.reason: (one.refused, one.errors, one.successes) for one in effects}


def test_errors_removed_and_successes_lost_are_counted_by_reason(world: Any) -> None:
    known = [
        person("ann", photo("A"), photo("A"), photo("a", SMALL_TO_MATCH)),
        person("bob", photo("B"), photo("B", SMALL_TO_ENROL)),
        person("once", photo("C")),
    ]
    # A stranger who looks like Ann is an error, and nothing about the photo gives that away.
    found = measure(world, known, [person("stranger", photo("A")), person("nobody", "")])
    assert (found.people, found.strangers, found.threshold) == (2, 1, 0.6)

    match = found.match
    assert (match.trials, match.errors, match.photos, match.photos_refused) == (6, 2, 6, 1)
    assert by_reason(match.by_reason) == {"the face is too small": (1, 1, 0)}
    assert (match.all_reasons.errors_removed, match.all_reasons.successes_lost) == (0.5, 0.0)
    assert match.removed_interval.low <= 0.5 <= match.removed_interval.high

    # Each of Ann's two good photos misses the half-alike one, and that one misses both of them.
    enrolment = found.enrolment
    assert (enrolment.trials, enrolment.errors, enrolment.photos_refused) == (8, 4, 2)
    assert by_reason(enrolment.by_reason) == {"the face is too small": (2, 2, 1)}
    assert (enrolment.all_reasons.errors_removed, enrolment.all_reasons.successes_lost) == (0.5, 0.25)
    json.dumps(found.as_json(), allow_nan=False)


def test_a_second_face_counts_at_enrolment_only(world: Any) -> None:
    known = [
        person("ann", photo("A"), "20,150,190,B;220,150,200,A"),
        person("bob", photo("B"), photo("B")),
    ]
    found = measure(world, known, [person("stranger", photo("D"))])
    assert found.match.by_reason == ()
    (effect,) = found.enrolment.by_reason
    assert (effect.reason, effect.refused) == ("there are two faces or more in the photo", 1)


@pytest.mark.parametrize("strangers", [[], [person("x", "")]])
def test_too_few_photos_are_refused(world: Any, strangers: list[PersonPhotos]) -> None:
    with pytest.raises(EvaluationRefused, match="to measure the gate"):
        measure(world, [person("ann", photo("A"), photo("A"))], strangers)

from typing import Any

import pytest

from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import Box
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.identify_capture import AnalysedCapture

ORG = OrgId("acme")
ANN, BOB = PersonId("A"), PersonId("B")


def test_an_enrolled_person_is_identified(world: Any) -> None:
    result = world.enrolled("A", "B").identify(b"100,100,200,A", org_id=ORG)
    assert (result.outcome, result.person_id) == (Outcome.IDENTIFIED, ANN)
    assert result.decision.score == pytest.approx(1.0)
    assert result.decision.runner_up_person_id == BOB
    assert result.gallery_size == 2
    assert result.face.box == Box(100, 100, 200, 200)
    assert result.reasons == result.notes == ()
    assert set(result.timings_ms) == {"decode", "detect", "align", "quality", "embed", "search"}
    assert all(value > 0 for value in result.timings_ms.values())


def test_a_resemblance_goes_to_review_with_its_candidate(world: Any) -> None:
    result = world.enrolled("A", "B").identify(b"100,100,200,a", org_id=ORG)
    assert (result.outcome, result.person_id) == (Outcome.REVIEW, ANN)
    assert "0.500" in result.reasons[0]


@pytest.mark.parametrize(
    ("image", "outcome", "word"),
    [
        (b"100,100,200,C", Outcome.UNKNOWN, "nobody"),
        (b"", Outcome.NO_FACE, "no face"),
        (b"100,100,20,A", Outcome.POOR_QUALITY, "come closer"),
        (b"100,100,0,A", Outcome.NO_FACE, "no face"),
    ],
)
def test_the_other_endings_are_outcomes_with_reasons(
    world: Any, image: bytes, outcome: Outcome, word: str
) -> None:
    result = world.enrolled("A", "B").identify(image, org_id=ORG)
    assert (result.outcome, result.person_id) == (outcome, None)
    assert word in result.reasons[0]


def test_an_empty_gallery_knows_nobody(world: Any) -> None:
    result = world.identify(b"100,100,200,A", org_id=ORG)
    assert (result.outcome, result.gallery_size, result.decision.score) == (Outcome.UNKNOWN, 0, None)


def test_another_organisation_does_not_match(world: Any) -> None:
    world.enrolled("A", "B")
    assert world.identify(b"100,100,200,A", org_id=OrgId("else")).outcome is Outcome.UNKNOWN


def test_a_person_of_another_site_is_for_review(world: Any) -> None:
    world.enrolled("A", "B")
    here = world.identify(b"100,100,200,B", org_id=ORG, scope={BOB})
    assert (here.outcome, here.person_id, here.gallery_size) == (Outcome.IDENTIFIED, BOB, 1)
    visitor = world.identify(b"100,100,200,A", org_id=ORG, scope={BOB})
    assert (visitor.outcome, visitor.person_id, visitor.gallery_size) == (Outcome.REVIEW, ANN, 2)
    assert visitor.is_elsewhere
    assert "another site" in visitor.reasons[0]
    assert world.identify(b"100,100,200,C", org_id=ORG, scope={BOB}).outcome is Outcome.UNKNOWN


def test_the_most_prominent_face_is_compared_and_a_second_one_noted(world: Any) -> None:
    world.enrolled("A", "B")
    alone = world.identify(b"10,10,60,B;200,150,200,A", org_id=ORG)
    assert (alone.person_id, alone.face_count, alone.notes) == (ANN, 2, ())
    beside = world.identify(b"20,150,190,B;220,150,200,A", org_id=ORG)
    assert (beside.outcome, beside.person_id) == (Outcome.IDENTIFIED, ANN)
    assert "1 other face(s)" in beside.notes[0]


def test_the_box_is_in_pixels_of_the_original(world: Any) -> None:
    # The painted decoder halves images of orientation 6.
    result = world.enrolled("A").identify(b"100,100,200,A", org_id=ORG, orientation=6)
    assert result.face.box == Box(200, 200, 400, 400)


def test_an_undecodable_image_raises(world: Any) -> None:
    with pytest.raises(UndecodableImage, match="paint spilled"):
        world.identify(b"broken", org_id=ORG)


def test_a_batch_is_embedded_in_one_call_and_answers_in_order(world: Any) -> None:
    world.enrolled("A", "B")
    images = [b"100,100,200,B", b"", b"100,100,200,A", b"100,100,20,A"]
    analysed = [AnalysedCapture(ORG, world.identify.analyse(image)) for image in images]
    results = world.identify.decide(analysed)
    assert [(result.outcome, result.person_id) for result in results] == [
        (Outcome.IDENTIFIED, BOB),
        (Outcome.NO_FACE, None),
        (Outcome.IDENTIFIED, ANN),
        (Outcome.POOR_QUALITY, None),
    ]
    assert world.embedder.batches == [2]
    assert world.identify.decide([]) == []


def test_a_batch_of_several_organisations_and_scopes_answers_as_each_alone(world: Any) -> None:
    world.enrolled("A", "B")
    asked = [
        (b"100,100,200,A", ORG, frozenset({BOB})),
        (b"100,100,200,B", ORG, None),
        (b"100,100,200,A", OrgId("else"), None),
        (b"100,100,200,B", ORG, frozenset({BOB})),
        (b"100,100,200,A", ORG, frozenset({ANN})),
    ]
    batch = world.identify.decide(
        [AnalysedCapture(org_id, world.identify.analyse(image), scope) for image, org_id, scope in asked]
    )
    alone = [world.identify(image, org_id=org_id, scope=scope) for image, org_id, scope in asked]
    assert [one.decision for one in batch] == [one.decision for one in alone]
    assert [one.outcome.value for one in batch] == [
        "REVIEW",
        "IDENTIFIED",
        "UNKNOWN",
        "IDENTIFIED",
        "IDENTIFIED",
    ]

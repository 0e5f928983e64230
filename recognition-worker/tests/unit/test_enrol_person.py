from typing import Any

import pytest

from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.enrol_person import (
    LOOKALIKE_REASON,
    NO_FACE_REASON,
    OTHER_PERSON_REASON,
    TWO_FACES_REASON,
    Photo,
)

ORG = OrgId("acme")
ANN, BOB = PersonId("A"), PersonId("B")
GOOD = b"100,100,200,A"


def enrol(world: Any, *images: bytes, person: PersonId = ANN) -> Any:
    return world.enrol([Photo(image) for image in images], org_id=ORG, person_id=person)


def test_good_photos_become_templates_of_unit_norm(world: Any) -> None:
    result = enrol(world, GOOD, b"90,90,210,A")
    assert result.enrolled
    for photo in result.photos:
        assert photo.accepted
        assert photo.reasons == ()
        assert (photo.embedding**2).sum() == pytest.approx(1.0)
        assert photo.face.face_size_px >= 200
    assert world.embedder.batches == [2]
    assert all(world.detector.thorough)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", NO_FACE_REASON),
        (b"20,150,190,B;220,150,200,A", TWO_FACES_REASON),
        (b"broken", "the image is damaged: paint spilled"),
        (b"100,100,50,A", "the face is too small (50 pixels, 60 needed): come closer"),
    ],
)
def test_a_poor_photo_is_refused_and_does_not_spoil_the_others(world: Any, image: bytes, reason: str) -> None:
    result = enrol(world, GOOD, image, GOOD)
    assert [photo.accepted for photo in result.photos] == [True, False, True]
    assert result.photos[1].reasons == (reason,)
    assert result.photos[1].embedding is None
    assert result.enrolled


def test_a_bystander_in_the_background_is_no_second_person(world: Any) -> None:
    assert enrol(world, b"10,10,60,B;200,150,200,A").enrolled


def test_photos_of_different_people_are_refused(world: Any) -> None:
    result = enrol(world, GOOD, b"100,100,200,B")
    assert not result.enrolled
    assert {photo.reasons for photo in result.photos} == {(OTHER_PERSON_REASON,)}
    smuggled = enrol(world, GOOD, b"100,100,200,B", GOOD)
    assert [photo.accepted for photo in smuggled.photos] == [True, False, True]


def test_somebody_who_is_enrolled_already_under_another_name_is_refused(world: Any) -> None:
    world.enrolled("A")
    again = enrol(world, GOOD, person=PersonId("Z"))
    assert not again.enrolled
    assert again.photos[0].reasons == (LOOKALIKE_REASON,)
    assert again.photos[0].looks_like == ANN


def test_a_person_may_add_photos_to_their_own(world: Any) -> None:
    assert enrol(world.enrolled("A", "B"), GOOD).enrolled
    assert not enrol(world, person=BOB).enrolled

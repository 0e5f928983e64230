from typing import Any

import pytest

from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.recognition.enrol_person import (
    FAR_WARNING,
    LOOKALIKE_REASON,
    LOOKALIKE_WARNING,
    NO_FACE_REASON,
    OTHER_PERSON_REASON,
    TWO_FACES_REASON,
    Photo,
)

ORG = OrgId("acme")
ANN, BOB = PersonId("A"), PersonId("B")
GOOD = b"100,100,200,A"


def enrol(world: Any, *images: bytes, person: PersonId = ANN, accepted: tuple[str, ...] = ()) -> Any:
    return world.enrol(
        [Photo(image) for image in images],
        org_id=ORG,
        person_id=person,
        accepted_lookalikes=[PersonId(one) for one in accepted],
    )


def test_good_photos_become_templates_of_unit_norm(world: Any) -> None:
    result = enrol(world, GOOD, b"90,90,210,A")
    assert result.enrolled
    for photo in result.photos:
        assert photo.accepted
        assert photo.reasons == photo.warnings == ()
        assert photo.looks_like is None
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


def test_a_face_enrolled_under_two_names_is_refused_under_a_third(world: Any) -> None:
    """Two equal lookalikes leave no lead over each other: that is no reason to take neither for one."""
    world.enrolled("A")
    world.enrolled_as("A", "B", "C")
    (photo,) = enrol(world, GOOD, person=PersonId("Z")).photos
    assert not photo.accepted
    assert photo.reasons == (LOOKALIKE_REASON,)


def test_a_lookalike_whom_hr_has_accepted_is_no_hindrance_but_a_warning(world: Any) -> None:
    world.enrolled("A")
    (twin,) = enrol(world, GOOD, person=PersonId("Z"), accepted=("A",)).photos
    assert twin.accepted
    assert (twin.looks_like, twin.reasons, twin.warnings) == (ANN, (), (LOOKALIKE_WARNING,))
    (unlike,) = enrol(world, b"100,100,200,B", person=PersonId("Z"), accepted=("A",)).photos
    assert (unlike.accepted, unlike.looks_like, unlike.warnings) == (True, None, ())


def test_accepting_one_lookalike_accepts_no_other(world: Any) -> None:
    world.enrolled("A", "B")
    (photo,) = enrol(world, GOOD, person=PersonId("Z"), accepted=("B",)).photos
    assert not photo.accepted
    assert photo.looks_like == ANN


def test_a_photo_unlike_the_persons_others_is_accepted_with_a_warning(world: Any) -> None:
    # A lower-case letter has a cosine of 0.5 with its capital: above 0.3, so one person, below 0.6, so far.
    result = enrol(world, GOOD, b"90,90,210,A", b"100,100,200,a")
    assert [photo.accepted for photo in result.photos] == [True, True, True]
    assert [photo.warnings for photo in result.photos] == [(), (), (FAR_WARNING,)]


def test_older_templates_of_the_person_count_as_their_others(world: Any) -> None:
    world.enrolled("A")
    assert enrol(world, b"100,100,200,a").photos[0].warnings == (FAR_WARNING,)
    assert enrol(world, GOOD).photos[0].warnings == ()


def test_a_person_may_add_photos_to_their_own(world: Any) -> None:
    assert enrol(world.enrolled("A", "B"), GOOD).enrolled
    assert not enrol(world, person=BOB).enrolled

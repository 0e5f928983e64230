from dataclasses import replace
from uuid import UUID

import pytest

from attendance_schemas.topics import ENROLMENTS
from ingest.domain.acceptable_image import ImageLimits
from ingest.domain.actor import Actor
from ingest.domain.enrolment import EnrolmentClaim
from ingest.enrolments.request_enrolment import EnrolmentDesk, request_enrolment
from ingest.errors import AlreadyAccepted, Forbidden, RefusedImage, UnknownPerson
from service_kit.errors import TransientFailure

HR = Actor("hr-1", "acme", frozenset({"hr"}))
CLAIM = EnrolmentClaim("p-1", "consents/p-1", UUID(int=5))


@pytest.fixture
def desk(images, publisher, directory, clock) -> EnrolmentDesk:
    return EnrolmentDesk(
        images, publisher, directory, clock, ImageLimits(size_bytes=10**6, pixels=10**6, least_side_px=9)
    )


async def test_photos_are_stored_in_order_and_templates_asked_for(desk, images, publisher, picture):
    photos = [picture(seed=seed, kind=kind) for seed, kind in ((1, "JPEG"), (2, "PNG"))]
    event = await request_enrolment(CLAIM, HR, photos, desk)
    prefix = f"enrolments/acme/p-1/{CLAIM.enrolment_id}"
    assert [photo.key for photo in event.photos] == [f"{prefix}/1", f"{prefix}/2"]
    assert [images.objects[photo.key][0] for photo in event.photos] == photos
    assert (event.authority.subject, event.consent_reference) == ("hr-1", "consents/p-1")
    assert publisher.published == [(ENROLMENTS, event)]


async def test_the_same_request_gives_the_same_event(desk, publisher, picture, clock):
    first = await request_enrolment(CLAIM, HR, [picture()], desk)
    clock.advance(hours=1)
    second = await request_enrolment(CLAIM, Actor("hr-2", "acme", frozenset({"ops"})), [picture()], desk)
    assert second == first
    assert publisher.published == [(ENROLMENTS, first)] * 2


async def test_without_an_id_the_request_names_itself(desk, picture, clock):
    claim = EnrolmentClaim("p-1", "consents/p-1")
    first = await request_enrolment(claim, HR, [picture()], desk)
    clock.advance(hours=1)
    assert await request_enrolment(claim, HR, [picture()], desk) == first
    other = await request_enrolment(claim, HR, [picture(), picture(seed=2)], desk)
    assert other.enrolment_id != first.enrolment_id


@pytest.mark.parametrize("seeds", [[2], [1, 2], []])
async def test_other_photos_under_the_same_id_are_refused(desk, publisher, picture, seeds):
    await request_enrolment(CLAIM, HR, [picture(seed=1)], desk)
    with pytest.raises(AlreadyAccepted, match="new id"):
        await request_enrolment(CLAIM, HR, [picture(seed=seed) for seed in seeds], desk)
    assert len(publisher.published) == 1


async def test_another_consent_under_the_same_id_is_refused(desk, picture):
    await request_enrolment(CLAIM, HR, [picture()], desk)
    with pytest.raises(AlreadyAccepted):
        await request_enrolment(EnrolmentClaim("p-1", "other", CLAIM.enrolment_id), HR, [picture()], desk)


async def test_one_bad_photo_stores_none_and_is_named(desk, images, picture):
    with pytest.raises(RefusedImage, match="photo 2"):
        await request_enrolment(CLAIM, HR, [picture(), b"GIF89a"], desk)
    assert images.objects == {}


async def test_a_request_that_failed_half_way_can_be_repeated(desk, publisher, picture):
    publisher.is_away = True
    with pytest.raises(TransientFailure):
        await request_enrolment(CLAIM, HR, [picture()], desk)
    publisher.is_away = False
    event = await request_enrolment(CLAIM, HR, [picture()], desk)
    assert publisher.published == [(ENROLMENTS, event)]


@pytest.mark.parametrize(
    ("actor", "person_id", "error"),
    [
        (Actor("s-1", "acme", frozenset({"supervisor", "analyst"})), "p-1", Forbidden),
        (Actor("hr-1", "acme", frozenset({"hr"}), frozenset({"delhi"})), "p-1", Forbidden),
        (HR, "p-9", UnknownPerson),
        (Actor("hr-1", "globex", frozenset({"hr"})), "p-1", UnknownPerson),
    ],
)
async def test_others_may_not_enrol(desk, images, picture, actor, person_id, error):
    with pytest.raises(error):
        await request_enrolment(EnrolmentClaim(person_id, "c"), actor, [picture()], desk)
    assert images.objects == {}


async def test_hr_of_the_site_may_enrol(desk, publisher, picture):
    actor = Actor("hr-1", "acme", frozenset({"hr"}), frozenset({"pune"}))
    await request_enrolment(CLAIM, actor, [picture()], desk)
    assert len(publisher.published) == 1


TWIN = EnrolmentClaim("p-1", "consents/p-1", accepted_lookalikes=frozenset({"p-2"}))


async def test_hr_accepts_a_lookalike_and_the_event_names_them(desk, publisher, picture):
    refused = await request_enrolment(EnrolmentClaim("p-1", "consents/p-1"), HR, [picture()], desk)
    event = await request_enrolment(TWIN, HR, [picture()], desk)
    assert (refused.accepted_lookalikes, event.accepted_lookalikes) == ((), ("p-2",))
    assert event.enrolment_id != refused.enrolment_id  # another request, with a verdict of its own
    assert publisher.published[-1] == (ENROLMENTS, event)
    assert await request_enrolment(TWIN, HR, [picture()], desk) == event


async def test_a_lookalike_under_the_id_of_another_request_is_refused(desk, picture):
    first = await request_enrolment(EnrolmentClaim("p-1", "consents/p-1"), HR, [picture()], desk)
    with pytest.raises(AlreadyAccepted, match="already an enrolment with other content"):
        await request_enrolment(replace(TWIN, enrolment_id=first.enrolment_id), HR, [picture()], desk)


@pytest.mark.parametrize("roles", [{"ops"}, {"supervisor"}])
async def test_only_hr_accepts_a_lookalike(desk, images, publisher, picture, roles):
    with pytest.raises(Forbidden, match="hr"):
        await request_enrolment(TWIN, Actor("x-1", "acme", frozenset(roles)), [picture()], desk)
    assert (images.objects, publisher.published) == ({}, [])


@pytest.mark.parametrize("lookalike", ["p-1", "p-99"])
async def test_a_lookalike_must_be_another_person_of_the_organisation(desk, images, picture, lookalike):
    claim = replace(TWIN, accepted_lookalikes=frozenset({lookalike}))
    with pytest.raises(UnknownPerson, match=f"{lookalike} is no other person"):
        await request_enrolment(claim, HR, [picture()], desk)
    assert images.objects == {}

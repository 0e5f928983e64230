"""Request templates of a person from photos: the photos are stored, and recognition is asked for the rest."""

from dataclasses import dataclass

import msgspec

from attendance_schemas.events import Authority, EnrolmentRequested
from attendance_schemas.topics import ENROLMENTS
from ingest.domain.acceptable_image import CleanImage, ImageLimits, clean_image
from ingest.domain.actor import HR, Actor
from ingest.domain.directory_documents import EVERYBODY
from ingest.domain.enrolment import EnrolmentClaim, decide_enrolment, identity_of, same_request
from ingest.domain.identifiers import enrolment_manifest_key
from ingest.errors import RefusedImage, UnknownPerson
from ingest.first_accepted import JSON, first_accepted
from ingest.ports import Clock, Directory, EventPublisher, ImageStore


@dataclass(frozen=True, slots=True)
class EnrolmentDesk:
    """What requesting an enrolment takes."""

    images: ImageStore
    publisher: EventPublisher
    directory: Directory
    clock: Clock
    limits: ImageLimits


async def request_enrolment(
    claim: EnrolmentClaim, actor: Actor, photos: list[bytes], desk: EnrolmentDesk
) -> EnrolmentRequested:
    """Store photos and ask for templates of them; the same request again publishes the same event.

    1. authorise: hr or ops, of the person's organisation and site; only hr may accept lookalikes.
    2. validate and strip every photo, before any is stored.
    3. remember what was decided under the id; where something is kept already it must be the same.
    4. put the photos, and the event beside them.
    5. publish, and wait until every in-sync replica has it.

    Raises:
        Forbidden, UnknownPerson: step 1.
        RefusedImage: step 2, naming the photo.
        AlreadyAccepted: step 3; the id names something else.
        TransientFailure: the object store or Kafka is away; try again.
    """
    received_at = desk.clock()
    authority = _authorise(claim, actor, desk.directory)
    images = [_clean(number, data, desk.limits) for number, data in enumerate(photos, start=1)]
    event = decide_enrolment(
        claim,
        images,
        enrolment_id=identity_of(claim, actor.org_id, images),
        org_id=actor.org_id,
        authority=authority,
        bucket=desk.images.bucket,
        received_at=received_at,
    )
    event, _ = await first_accepted(event, event.enrolment_id, desk.images, same_request)
    await _store(event, images, desk.images)
    await desk.publisher.publish(event, ENROLMENTS)
    return event


def _authorise(claim: EnrolmentClaim, actor: Actor, directory: Directory) -> Authority:
    what = f"enrol {claim.person_id}"
    authority = actor.require_role(EVERYBODY, what)
    if claim.accepted_lookalikes:
        actor.require_role(frozenset({HR}), f"{what} although the face resembles somebody else")
    person = directory.view.person(actor.org_id, claim.person_id)
    if person is None:
        raise UnknownPerson(
            f"{claim.person_id} is not recorded in organisation {actor.org_id}; "
            f"PUT /v1/directory/persons/{claim.person_id} first"
        )
    actor.require_site(person.home_site_id, what)
    for lookalike in sorted(claim.accepted_lookalikes):
        found = directory.view.person(actor.org_id, lookalike)
        if lookalike == claim.person_id or found is None:
            raise UnknownPerson(
                f"{lookalike} is no other person of organisation {actor.org_id}; accepted_lookalikes names "
                "the people whom the verdict on an earlier enrolment says that the face looks like"
            )
        actor.require_site(found.home_site_id, f"{what} although the face resembles {lookalike}")
    return authority


def _clean(number: int, data: bytes, limits: ImageLimits) -> CleanImage:
    try:
        return clean_image(data, limits)
    except RefusedImage as error:
        raise RefusedImage(error.reason, f"photo {number}: {error}") from error


async def _store(event: EnrolmentRequested, images: list[CleanImage], store: ImageStore) -> None:
    for reference, image in zip(event.photos, images, strict=True):
        await store.put_new(reference.key, image.data, media_type=image.media_type)
    key = enrolment_manifest_key(event.org_id, event.person_id, event.enrolment_id)
    await store.put_new(key, msgspec.json.encode(event), media_type=JSON)

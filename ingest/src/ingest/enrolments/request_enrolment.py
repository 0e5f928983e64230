"""Request templates of a person from photos: the photos are stored, and recognition is asked for the rest."""

from dataclasses import dataclass

from attendance_schemas.events import EnrolmentRequested
from attendance_schemas.topics import ENROLMENTS
from ingest.domain.acceptable_image import CleanImage, ImageLimits, clean_image
from ingest.domain.actor import HR, Actor
from ingest.domain.directory_documents import EVERYBODY
from ingest.domain.enrolment import EnrolmentClaim, decide_enrolment, identity_of, same_request
from ingest.domain.identifiers import enrolment_manifest_key
from ingest.domain.manifest import enrolment_manifest, read_enrolment_manifest
from ingest.errors import AlreadyAccepted, RefusedImage, UnknownPerson
from ingest.ports import Clock, Directory, EventPublisher, ImageStore

JSON = "application/json"


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
    3. put the photos, then what was decided; where a key is taken, what lies there must be the same.
    4. publish, and wait until every in-sync replica has it.

    Raises:
        Forbidden, UnknownPerson: step 1.
        RefusedImage: step 2, naming the photo.
        AlreadyAccepted: step 3; the id names another request.
        TransientFailure: the object store or Kafka is away; try again.
    """
    received_at = desk.clock()
    _authorise(claim, actor, desk.directory)
    images = [_clean(number, data, desk.limits) for number, data in enumerate(photos, start=1)]
    event = decide_enrolment(
        claim,
        images,
        enrolment_id=identity_of(claim, actor.org_id, images),
        org_id=actor.org_id,
        requested_by=actor.subject,
        bucket=desk.images.bucket,
        received_at=received_at,
    )
    await _store_photos(event, images, desk.images)
    event = await _decided_first(event, desk.images)
    await desk.publisher.publish(event, ENROLMENTS)
    return event


def _authorise(claim: EnrolmentClaim, actor: Actor, directory: Directory) -> None:
    what = f"enrol {claim.person_id}"
    actor.require_role(EVERYBODY, what)
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
        if lookalike == claim.person_id or directory.view.person(actor.org_id, lookalike) is None:
            raise UnknownPerson(
                f"{lookalike} is no other person of organisation {actor.org_id}; accepted_lookalikes names "
                "the people whom the verdict on an earlier enrolment says that the face looks like"
            )


def _clean(number: int, data: bytes, limits: ImageLimits) -> CleanImage:
    try:
        return clean_image(data, limits)
    except RefusedImage as error:
        raise RefusedImage(error.reason, f"photo {number}: {error}") from error


async def _store_photos(event: EnrolmentRequested, images: list[CleanImage], store: ImageStore) -> None:
    for reference, image in zip(event.photos, images, strict=True):
        is_new = await store.put_new(
            reference.key, image.data, media_type=image.media_type, manifest=image.sha256
        )
        if not is_new and await store.manifest(reference.key) != image.sha256:
            raise _taken(event)


async def _decided_first(event: EnrolmentRequested, store: ImageStore) -> EnrolmentRequested:
    """Return what was decided about this enrolment first: now, or at an earlier request."""
    key = enrolment_manifest_key(event.org_id, event.person_id, event.enrolment_id)
    is_new = await store.put_new(key, enrolment_manifest(event), media_type=JSON, manifest=event.event_id.hex)
    if is_new:
        return event
    first = read_enrolment_manifest(key, await store.read(key))
    if not same_request(first, event):
        raise _taken(event)
    return first


def _taken(event: EnrolmentRequested) -> AlreadyAccepted:
    return AlreadyAccepted(
        f"enrolment {event.enrolment_id} of {event.person_id} was requested with other photos, consent or "
        "lookalikes; give this one a new enrolment_id"
    )

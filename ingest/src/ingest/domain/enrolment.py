"""An enrolment as it is requested: photos of one person, and the event that asks for templates of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from attendance_schemas.events import EnrolmentRequested
from attendance_schemas.identity import deterministic_id
from ingest.domain.capture import reference_to
from ingest.domain.identifiers import photo_key
from ingest.domain.image_metadata import CleanImage

MAXIMUM_PHOTOS = 10


@dataclass(frozen=True, slots=True)
class EnrolmentClaim:
    """What is asked for. Without an id, the id follows from the person, the consent and the photos."""

    person_id: str
    consent_reference: str
    enrolment_id: UUID | None = None


def identity_of(claim: EnrolmentClaim, org_id: str, photos: list[CleanImage]) -> UUID:
    """Return the id of an enrolment: the one given, or one that the same request gives again."""
    if claim.enrolment_id is not None:
        return claim.enrolment_id
    content = (photo.sha256 for photo in photos)
    return deterministic_id("Enrolment", org_id, claim.person_id, claim.consent_reference, *content)


def decide_enrolment(
    claim: EnrolmentClaim,
    photos: list[CleanImage],
    *,
    enrolment_id: UUID,
    org_id: str,
    requested_by: str,
    bucket: str,
    received_at: datetime,
) -> EnrolmentRequested:
    """Decide the event of an enrolment received for the first time at `received_at` (UTC)."""
    return EnrolmentRequested(
        event_id=deterministic_id("EnrolmentRequested", org_id, claim.person_id, enrolment_id),
        occurred_at=received_at,
        recorded_at=received_at,
        org_id=org_id,
        enrolment_id=enrolment_id,
        person_id=claim.person_id,
        photos=tuple(
            reference_to(photo, bucket=bucket, key=photo_key(org_id, claim.person_id, enrolment_id, number))
            for number, photo in enumerate(photos, start=1)
        ),
        consent_reference=claim.consent_reference,
        requested_by=requested_by,
    )


def same_request(first: EnrolmentRequested, second: EnrolmentRequested) -> bool:
    """Say whether two enrolments ask for the same: same photos in the same order, same consent."""
    return first.consent_reference == second.consent_reference and [
        photo.sha256 for photo in first.photos
    ] == [photo.sha256 for photo in second.photos]

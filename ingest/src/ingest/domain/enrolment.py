"""An enrolment as it is requested: photos of one person, and the event that asks for templates of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from attendance_schemas.events import Authority, EnrolmentRequested
from attendance_schemas.identity import deterministic_id
from ingest.domain.acceptable_image import CleanImage
from ingest.domain.capture import reference_to
from ingest.domain.identifiers import photo_key

MAXIMUM_PHOTOS = 10


@dataclass(frozen=True, slots=True)
class EnrolmentClaim:
    """What is asked for. Without an id, the id follows from the person, the consent and the photos.

    accepted_lookalikes: people enrolled already whom the face may resemble, as hr has checked (twins).
    """

    person_id: str
    consent_reference: str
    enrolment_id: UUID | None = None
    accepted_lookalikes: frozenset[str] = frozenset()


def identity_of(claim: EnrolmentClaim, org_id: str, photos: list[CleanImage]) -> UUID:
    """Return the id of an enrolment: the one given, or one that the same request gives again."""
    if claim.enrolment_id is not None:
        return claim.enrolment_id
    content = (photo.sha256 for photo in photos)
    lookalikes = (f"lookalike:{person_id}" for person_id in sorted(claim.accepted_lookalikes))
    return deterministic_id(
        "Enrolment", org_id, claim.person_id, claim.consent_reference, *content, *lookalikes
    )


def decide_enrolment(
    claim: EnrolmentClaim,
    photos: list[CleanImage],
    *,
    enrolment_id: UUID,
    org_id: str,
    authority: Authority,
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
        accepted_lookalikes=tuple(sorted(claim.accepted_lookalikes)),
        authority=authority,
    )


def same_request(first: EnrolmentRequested, second: EnrolmentRequested) -> bool:
    """Say whether two enrolments ask for the same: person, consent, lookalikes, photos in the same order."""

    def asked(event: EnrolmentRequested) -> tuple[str, str, tuple[str, ...], list[str]]:
        photos = [photo.sha256 for photo in event.photos]
        return event.person_id, event.consent_reference, event.accepted_lookalikes, photos

    return asked(first) == asked(second)

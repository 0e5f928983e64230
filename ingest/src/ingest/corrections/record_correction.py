"""Record what a person corrects: who, when and why stay on record, and so does what it corrects."""

from dataclasses import dataclass
from uuid import UUID

from attendance_schemas.events import Event
from attendance_schemas.topics import CORRECTIONS
from ingest.domain.actor import SUPERVISORS, Actor
from ingest.domain.correction import (
    AdditionDocument,
    Correction,
    CorrectionKind,
    ReviewDocument,
    decide_correction,
    same_correction,
)
from ingest.domain.time_trust import TOLERANCE
from ingest.errors import FieldError, InvalidRecord, UnknownPerson
from ingest.first_accepted import first_accepted
from ingest.ports import Clock, Directory, EventPublisher, ImageStore


@dataclass(frozen=True, slots=True)
class CorrectionDesk:
    """What correcting takes; `decisions` keeps what was decided first."""

    decisions: ImageStore
    publisher: EventPublisher
    directory: Directory
    clock: Clock


async def record_correction(
    kind: CorrectionKind, document: Correction, actor: Actor, desk: CorrectionDesk
) -> tuple[Event, bool]:
    """Record a correction; return it as first accepted, and whether that was at an earlier request.

    Raises:
        Forbidden, UnknownPerson, InvalidRecord: not recorded, and why.
        AlreadyAccepted: the id names something else.
        TransientFailure: the object store or Kafka is away; the same request may be repeated.
    """
    actor.require_role(SUPERVISORS, kind.title.lower())
    _authorise(document, actor, desk)
    received_at = desk.clock()
    if isinstance(document, AdditionDocument) and document.punched_at > received_at + TOLERANCE:
        raise InvalidRecord([FieldError("punched_at", "is in the future; add it once it has happened")])
    event = decide_correction(document, org_id=actor.org_id, made_by=actor.subject, received_at=received_at)
    return await keep(event, document.correction_id, desk)


async def keep(event: Event, identity: UUID, desk: CorrectionDesk) -> tuple[Event, bool]:
    """Publish what was decided first under an id; return it, and whether that was at an earlier request."""
    first, resent = await first_accepted(event, identity, desk.decisions, same_correction)
    await desk.publisher.publish(first, CORRECTIONS)
    return first, resent


def _authorise(document: Correction, actor: Actor, desk: CorrectionDesk) -> None:
    """Check the person; to decide that a capture shows nobody takes a token for all sites."""
    person_id: str | None = getattr(document, "person_id", None)
    if person_id is None:
        if isinstance(document, ReviewDocument):
            actor.require_site(None, "decide that a capture shows nobody")
        return
    person = desk.directory.view.person(actor.org_id, person_id)
    if person is None:
        raise UnknownPerson(f"{person_id} is not recorded in organisation {actor.org_id}")
    actor.require_site(person.home_site_id, f"correct the days of {person_id}")

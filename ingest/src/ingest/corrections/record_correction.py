"""Record what a person corrects: who, when and why stay on record, and so does what it corrects."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from attendance_schemas.events import FARTHEST_AHEAD, Act, PunchAdded
from attendance_schemas.topics import CORRECTIONS
from ingest.corrections.named_things import check_named
from ingest.domain.actor import SUPERVISORS, Actor
from ingest.domain.correction import (
    AdditionDocument,
    Correction,
    CorrectionKind,
    OverrideDocument,
    ReviewDocument,
    decide_correction,
    same_correction,
)
from ingest.domain.directory import DirectoryView
from ingest.domain.roster import shifts_on
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
) -> tuple[Act, bool]:
    """Record a correction; return it as first accepted, and whether that was at an earlier request.

    1. authorise: the role, the home of the person, and the site and the things that the correction names.
    2. remember: keep the decision under the id; an addition also under the id of the punch that it adds.
    3. publish, and wait until every in-sync replica has it.

    Raises:
        Forbidden, UnknownPerson, UnknownThing, OtherKind, InvalidRecord: not recorded, and why.
        AlreadyAccepted: the id names something else.
        TransientFailure: the object store or Kafka is away; the same request may be repeated.
    """
    authority = actor.require_role(SUPERVISORS, kind.title.lower())
    home_site_id = _home_of(document, actor, desk)
    _check_places(document, actor, desk)
    await check_named(document, actor, desk.decisions)
    received_at = desk.clock()
    _check_date(document, received_at)
    event = decide_correction(
        document,
        org_id=actor.org_id,
        authority=authority,
        home_site_id=home_site_id,
        received_at=received_at,
    )
    return await keep(event, document.correction_id, desk)


async def keep(event: Act, identity: UUID, desk: CorrectionDesk) -> tuple[Act, bool]:
    """Publish what was decided first under an id; return it, and whether that was at an earlier request."""
    first, resent = await first_accepted(event, identity, desk.decisions, same_correction)
    if isinstance(first, PunchAdded):
        # So that whoever voids the punch by its id finds what it is.
        await first_accepted(first, first.punch_id, desk.decisions, same_correction)
    await desk.publisher.publish(first, CORRECTIONS)
    return first, resent


def _home_of(document: Correction, actor: Actor, desk: CorrectionDesk) -> str | None:
    """Return the home site of the person whom it names, which must be one of the actor's; None: of nobody.

    To decide that a capture shows nobody takes a token for all sites.
    """
    person_id: str | None = getattr(document, "person_id", None)
    if person_id is None:
        if isinstance(document, ReviewDocument):
            actor.require_site(None, "decide that a capture shows nobody")
        return None
    person = desk.directory.view.person(actor.org_id, person_id)
    if person is None:
        raise UnknownPerson(f"{person_id} is not recorded in organisation {actor.org_id}")
    actor.require_site(person.home_site_id, f"correct the days of {person_id}")
    return person.home_site_id


def _check_places(document: Correction, actor: Actor, desk: CorrectionDesk) -> None:
    """Check the site of an addition and the shift of an override: recorded, and the site the actor's."""
    view, org_id = desk.directory.view, actor.org_id
    match document:
        case AdditionDocument(site_id=str() as site_id):
            actor.require_site(site_id, "add a punch")
            _require_recorded("site_id", site_id, org_id, found=view.has_site(org_id, site_id))
        case OverrideDocument(shift_id=str() as shift_id):
            _require_recorded("shift_id", shift_id, org_id, found=view.has_shift(org_id, shift_id))
        case OverrideDocument():
            _check_one_shift(document, org_id, view)


def _check_one_shift(document: OverrideDocument, org_id: str, view: DirectoryView) -> None:
    """Check that minutes and times are of one day: without a shift every shift of the date would get them."""
    person = view.person(org_id, document.person_id)
    says_when = document.worked_minutes or document.first_in_at or document.last_out_at
    if person is None or not says_when:
        return
    shifts = sorted(shifts_on(person, view.roster_of(org_id, document.person_id), document.attendance_on))
    if len(shifts) > 1:
        detail = (
            f"is missing: {document.person_id} has {' and '.join(shifts)} on {document.attendance_on}, and "
            "each would get these minutes and times; send an override for each"
        )
        raise InvalidRecord([FieldError("shift_id", detail)])


def _check_date(document: Correction, received_at: datetime) -> None:
    """Check that an addition has happened, and that a day to override is near enough to be planned."""
    if isinstance(document, AdditionDocument) and document.punched_at > received_at + TOLERANCE:
        raise InvalidRecord([FieldError("punched_at", "is in the future; add it once it has happened")])
    if isinstance(document, OverrideDocument):
        latest_on = received_at.astimezone(UTC).date() + FARTHEST_AHEAD
        if document.attendance_on > latest_on:
            detail = f"is more than {FARTHEST_AHEAD.days} days ahead; the latest date is {latest_on}"
            raise InvalidRecord([FieldError("attendance_on", detail)])


def _require_recorded(field: str, value: str, org_id: str, *, found: bool) -> None:
    """Raise InvalidRecord unless what a field names was found in the directory."""
    if not found:
        raise InvalidRecord(
            [FieldError(field, f"{value} is not recorded in organisation {org_id}; record it first")]
        )

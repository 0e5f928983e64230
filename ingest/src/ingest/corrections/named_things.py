"""What a correction or a reopening names by its id: it must be here, of the right kind, at the actor's sites.

An id that only another organisation uses is answered as one that nobody uses. Whom a capture shows until a
review is decided where recognition's answer is known, in the projector.
"""

from uuid import UUID

from attendance_schemas.events import (
    CaptureReceived,
    DayOverridden,
    Event,
    PeriodLocked,
    PunchAdded,
    PunchSubmitted,
    PunchVoided,
)
from ingest.domain.actor import Actor
from ingest.domain.correction import Correction, ReviewDocument, VoidDocument
from ingest.errors import FieldError, InvalidRecord, OtherKind, UnknownThing
from ingest.first_accepted import find_accepted, name_of
from ingest.ports import ImageStore


async def check_named(document: Correction, actor: Actor, store: ImageStore) -> None:
    """Check the capture, punch or correction that a correction names.

    Raises:
        UnknownThing: the organisation of the actor accepted nothing under the id.
        OtherKind: it accepted something else under it.
        Forbidden: it is at a site that the token is not for.
        InvalidRecord: it is about somebody else than the correction says.
    """
    match document:
        case ReviewDocument():
            await _check_capture(document.capture_id, actor, store)
        case VoidDocument(punch_id=UUID() as punch_id):
            await _check_punch(punch_id, document.person_id, actor, store)
        case VoidDocument(voided_correction_id=UUID() as correction_id):
            await _check_correction(correction_id, document.person_id, actor, store)


async def check_lock(lock_id: UUID, actor: Actor, store: ImageStore) -> None:
    """Check the lock that a reopening names. Raises UnknownThing, OtherKind or Forbidden."""
    lock = await _named(lock_id, actor, store)
    if not isinstance(lock, PeriodLocked):
        raise _other_kind(lock_id, lock, "the id of a lock")
    actor.require_site(lock.site_id, "open a period again")


async def _check_capture(capture_id: UUID, actor: Actor, store: ImageStore) -> None:
    capture = await _named(capture_id, actor, store)
    if not isinstance(capture, CaptureReceived):
        raise _other_kind(capture_id, capture, "the id of a capture")
    actor.require_site(capture.site_id, "review a capture")


async def _check_punch(punch_id: UUID, person_id: str, actor: Actor, store: ImageStore) -> None:
    punch = await _named(punch_id, actor, store)
    what = "void a punch"
    match punch:
        case CaptureReceived() | PunchSubmitted():
            actor.require_site(punch.site_id, what)
        case PunchAdded() if punch.punch_id == punch_id:
            _require_home(punch, actor, what)
            _require_person(punch, person_id)
        case _:
            raise _other_kind(punch_id, punch, "the id of a punch, as the explanation of a day shows it")


async def _check_correction(correction_id: UUID, person_id: str, actor: Actor, store: ImageStore) -> None:
    correction = await _named(correction_id, actor, store)
    match correction:
        case PunchVoided() | DayOverridden():
            pass
        case PunchAdded() if correction.correction_id == correction_id:
            pass
        case _:
            raise _other_kind(correction_id, correction, "the id of an addition, void or override")
    _require_home(correction, actor, "void a correction")
    _require_person(correction, person_id)


async def _named(identity: UUID, actor: Actor, store: ImageStore) -> Event:
    found = await find_accepted(actor.org_id, identity, store)
    if found is None:
        raise UnknownThing(f"{identity} is not known here; check the id, and send again what it names")
    return found


def _other_kind(identity: UUID, found: Event, wanted: str) -> OtherKind:
    return OtherKind(f"{identity} is {name_of(found)}; give {wanted}")


def _require_home(correction: PunchAdded | PunchVoided | DayOverridden, actor: Actor, what: str) -> None:
    """Check the home that the person had when the correction was made; limited to sites, it must be known."""
    if actor.sites is not None:
        actor.require_site(correction.home_site_id, what)


def _require_person(correction: PunchAdded | PunchVoided | DayOverridden, person_id: str) -> None:
    if correction.person_id != person_id:
        message = f"{person_id} is not whom {correction.correction_id} is about; name that person"
        raise InvalidRecord([FieldError("person_id", message)])

"""Ask for the erasure of a person's biometrics: what makes their templates readable, and the templates.

It is a request of its own each time: what was enrolled until now is erased, what is enrolled later is not.
Repeating it erases what is there then.
"""

from dataclasses import dataclass
from uuid import uuid4

from attendance_schemas.events import PersonErased
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import ENROLMENTS
from ingest.domain.actor import HR, Actor
from ingest.errors import UnknownPerson
from ingest.ports import Clock, Directory, EventPublisher
from service_kit.observing.logs import get_logger

ALLOWED = frozenset({HR})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErasureDesk:
    """What asking for an erasure takes."""

    publisher: EventPublisher
    directory: Directory
    clock: Clock


async def erase_biometrics(person_id: str, actor: Actor, desk: ErasureDesk) -> PersonErased:
    """Publish the request, keyed as the person's enrolments are, and wait until every in-sync replica has it.

    Neither errors nor the audit line name the person: the line names the erasure, whose event does.

    Raises:
        Forbidden: the actor is not hr, or not of the person's organisation and site.
        UnknownPerson: nobody of this id is recorded in the actor's organisation.
        TransientFailure: Kafka is away; try again.
    """
    what = "erase biometrics"
    authority = actor.require_role(ALLOWED, what)
    person = desk.directory.view.person(actor.org_id, person_id)
    if person is None:
        raise UnknownPerson(
            f"nobody of this id is recorded in organisation {actor.org_id}; check the id and the organisation"
        )
    actor.require_site(person.home_site_id, what)
    erasure_id = uuid4()
    now = desk.clock()
    event = PersonErased(
        event_id=deterministic_id("PersonErased", actor.org_id, erasure_id),
        occurred_at=now,
        recorded_at=now,
        org_id=actor.org_id,
        erasure_id=erasure_id,
        person_id=person_id,
        authority=authority,
    )
    await desk.publisher.publish(event, ENROLMENTS)
    log.info(
        "audit",
        action="erase-biometrics",
        actor=actor.subject,
        org_id=actor.org_id,
        erasure_id=str(erasure_id),
    )
    return event

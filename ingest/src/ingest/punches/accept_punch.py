"""Accept a punch without a face. Once this returns, no outage loses it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from attendance_schemas.events import PunchMethod, PunchSubmitted
from attendance_schemas.topics import PUNCHES
from ingest.domain.actor import SUPERVISORS, Actor
from ingest.domain.capture import Device
from ingest.domain.directory import DirectoryView
from ingest.domain.punch import OwnerAt, PunchClaim, Sender, decide_punch, same_claim
from ingest.errors import FieldError, InvalidRecord, UnknownPerson
from ingest.first_accepted import first_accepted, refuse_reused_number, refuse_too_old
from ingest.ports import Clock, DeviceSequences, Directory, EventPublisher, ImageStore


@dataclass(frozen=True, slots=True)
class PunchDesk:
    """What accepting a punch takes; `decisions` keeps what was decided first.

    oldest: so long ago a punch may have happened.
    """

    decisions: ImageStore
    publisher: EventPublisher
    directory: Directory
    sequences: DeviceSequences
    clock: Clock
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class AcceptedPunch:
    """The event that was published, whether it had been accepted before, and what the device may forget."""

    event: PunchSubmitted
    resent: bool
    acknowledged_sequence: int | None = None


async def accept_device_punch(claim: PunchClaim, device: Device, desk: PunchDesk) -> AcceptedPunch:
    """Accept a punch of a device. A badge or person that the directory does not know yet is accepted, too.

    1. decide: when it happened, how far that is believed, who has what was shown.
    2. remember: keep the decision under the id; where one is kept already it holds, other content is refused.
    3. publish, and wait until every in-sync replica has it.
    4. count: tell the device up to which number nothing is missing.

    Raises:
        TooLongAgo: step 1; never try again.
        SequenceTaken: step 1; the number is of another capture or punch, try again with a new one.
        AlreadyAccepted: step 2; the id names something else.
        TransientFailure: the object store or Kafka is away; try again with the same id.
    """
    sender = Sender(device.org_id, device.site_id, device.authority, device_id=device.device_id)
    accepted = await _accept(claim, sender, desk)
    acknowledged = None
    if accepted.event.device_sequence is not None:
        key = (device.org_id, device.device_id)
        acknowledged = await desk.sequences.record(key, accepted.event.device_sequence)
    return AcceptedPunch(accepted.event, accepted.resent, acknowledged)


async def accept_supervised_punch(
    claim: PunchClaim, site_id: str | None, actor: Actor, desk: PunchDesk
) -> AcceptedPunch:
    """Accept a punch that a supervisor makes for a person, by default at the person's home site.

    Raises:
        Forbidden, UnknownPerson, InvalidRecord: the actor may not, or there is no such person or site.
        TooLongAgo, AlreadyAccepted, TransientFailure: as for a device.
    """
    what = f"punch for {claim.credential}"
    authority = actor.require_role(SUPERVISORS, what)
    person = desk.directory.view.person(actor.org_id, claim.credential)
    if person is None:
        raise UnknownPerson(f"{claim.credential} is not recorded in organisation {actor.org_id}")
    for each in {person.home_site_id, site_id or person.home_site_id}:
        actor.require_site(each, what)
    if site_id is not None and not desk.directory.view.has_site(actor.org_id, site_id):
        message = f"{site_id} is not recorded in organisation {actor.org_id}"
        raise InvalidRecord([FieldError("site_id", message)])
    home = person.home_site_id
    sender = Sender(actor.org_id, site_id or home, authority, home_site_id=home)
    return await _accept(claim, sender, desk)


async def _accept(claim: PunchClaim, sender: Sender, desk: PunchDesk) -> AcceptedPunch:
    event = decide_punch(claim, sender, _owner_of(claim, sender, desk.directory.view), desk.clock())
    await refuse_too_old(event, claim.punch_id, desk.decisions, desk.oldest)
    await refuse_reused_number(event, claim.punch_id, desk.decisions, desk.sequences)
    event, resent = await first_accepted(event, claim.punch_id, desk.decisions, same_claim)
    await desk.publisher.publish(event, PUNCHES)
    return AcceptedPunch(event, resent)


def _owner_of(claim: PunchClaim, sender: Sender, view: DirectoryView) -> OwnerAt:
    """Return who had at an instant what was shown, however late the punch comes."""

    def owner_at(at: datetime) -> str | None:
        if claim.method is PunchMethod.BADGE:
            person = view.holder_at(sender.org_id, claim.credential, at)
        else:
            person = view.person(sender.org_id, claim.credential)
        return None if person is None else person.person_id

    return owner_at

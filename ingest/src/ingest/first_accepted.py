"""What every id of an organisation was first accepted as: its event, kept in the object store.

One place for captures, punches, corrections, locks, reopenings and enrolments: an id names one thing. A
resend finds the first event there and repeats it, so that the same id always gives the same event. What
names a thing by its id finds it there, too: of this organisation, or not at all.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from attendance_schemas.acceptance import (
    MEDIA_TYPE,
    UnreadableAcceptance,
    accepted_key,
    decode_accepted,
    encode_accepted,
)
from attendance_schemas.events import CaptureReceived, Event, PunchSubmitted
from ingest.errors import AcceptanceUnreadable, AlreadyAccepted, SequenceTaken, TooLongAgo
from ingest.ports import DeviceSequences, ImageStore

JSON = MEDIA_TYPE
# What a sender who used an id twice, or named a thing of another kind, is told that it is.
NAMES = {
    "CaptureReceived": "a capture",
    "PunchSubmitted": "a punch",
    "PunchAdded": "an addition",
    "PunchVoided": "a void",
    "DayOverridden": "an override",
    "ReviewDecided": "a review",
    "PeriodLocked": "a lock",
    "PeriodReopened": "a reopening",
    "EnrolmentRequested": "an enrolment",
}
E = TypeVar("E", bound=Event)


async def first_accepted(
    event: E, identity: UUID, store: ImageStore, is_same: Callable[[E, E], bool]
) -> tuple[E, bool]:
    """Return what was accepted first under an id, and whether that was at an earlier request.

    Raises AlreadyAccepted when something else was: it says what the id names.
    """
    key = accepted_key(event.org_id, identity)
    if await store.put_new(key, encode_accepted(event), media_type=JSON):
        return event, False
    first = _read(key, await store.read(key))
    if isinstance(first, type(event)) and is_same(first, event):
        return first, True
    what = name_of(first) + (" with other content" if isinstance(first, type(event)) else "")
    raise AlreadyAccepted(f"{identity} is already {what}; give this one a new id")


async def find_accepted(org_id: str, identity: UUID, store: ImageStore) -> Event | None:
    """Return what an organisation's id was first accepted as; None: it accepted nothing under it."""
    key = accepted_key(org_id, identity)
    data = await store.find(key)
    return None if data is None else _read(key, data)


async def refuse_too_old(
    event: CaptureReceived | PunchSubmitted, identity: UUID, store: ImageStore, oldest: timedelta
) -> None:
    """Raise TooLongAgo for what happened longer than `oldest` ago, unless it was accepted in time before."""
    if event.recorded_at - event.occurred_at <= oldest:
        return
    if await find_accepted(event.org_id, identity, store) is None:
        told = "" if event.clock_offset_ms is not None else ", let it send device_now"
        raise TooLongAgo(
            f"{identity} happened at {event.occurred_at.isoformat(timespec='seconds')} by the clocks of the "
            f"sender, and only the last {oldest.days} days are accepted; set the clock{told}, and make a "
            "correction for what is missing"
        )


async def refuse_reused_number(
    event: CaptureReceived | PunchSubmitted, identity: UUID, store: ImageStore, sequences: DeviceSequences
) -> None:
    """Raise SequenceTaken for a new id under a number of the device that has arrived with another one.

    A device that lost its count would take its new captures for those that are here. While the numbers are
    not known, nobody is refused; of two that come at the same moment, both pass.
    """
    if event.device_id is None or event.device_sequence is None:
        return
    highest = await sequences.highest_if_used((event.org_id, event.device_id), event.device_sequence)
    if highest is not None and await find_accepted(event.org_id, identity, store) is None:
        raise SequenceTaken(
            f"device_sequence {event.device_sequence} of {event.device_id} has come with another id; count "
            f"on after {highest}, and send {identity} with a new number",
            highest=highest,
        )


def name_of(event: Event) -> str:
    """Return what an accepted event is, in words."""
    return NAMES[type(event).__name__]


def _read(key: str, data: bytes) -> Event:
    try:
        return decode_accepted(data)
    except UnreadableAcceptance as error:
        raise AcceptanceUnreadable(
            f"{key} is in the object store without a readable event; ops: find out who put it there"
        ) from error

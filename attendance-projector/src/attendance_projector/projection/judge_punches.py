"""Whose the punches without a face are, and which of them are new.

ingest names the person when the directory had one for what was shown. A punch with a badge that nobody
had waits, as a pending fact, and belongs to the holder whom the directory names: at once, when a person gets
the badge, or when it goes to another one. A punch has one occurred_at for ever; a second one is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from attendance_projector.projection.stored import (
    AcceptedPunch,
    EntryKey,
    FactKey,
    KnownPunch,
    PendingFact,
)
from attendance_schemas.events import PunchMethod, PunchSubmitted
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record


@dataclass(frozen=True, slots=True)
class ReceivedPunch:
    """A punch and the record that carried it."""

    record: Record
    event: PunchSubmitted


@dataclass(frozen=True, slots=True)
class PunchJudgement:
    """Pending facts to store, and the punches that are added and taken back."""

    pending: tuple[PendingFact, ...]
    added: tuple[AcceptedPunch, ...]
    taken_back: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_punches(
    received: Sequence[ReceivedPunch],
    taken_ids: Mapping[FactKey, KnownPunch],
    captures: Collection[FactKey],
    pending: Sequence[PendingFact],
    holders: Mapping[EntryKey, str],
) -> PunchJudgement:
    """Judge punches in the order in which they were recorded, and pending facts whose badge may have moved.

    `taken_ids` is what is stored under their ids, `captures` those that are captures, stored or new;
    `holders` says who has each badge now.
    Raises PoisonRecord, naming the record, for a second occurred_at and for the id of something else.
    """
    seen = dict(taken_ids)
    fresh = []
    for each in received:
        if _is_new(each, seen, captures):
            fresh.append(each.event)
            seen[punch_of(each.event)] = KnownPunch(
                each.event.org_id,
                each.event.punch_id,
                each.event.occurred_at,
                None,
                each.event.method.lower(),
                None,
            )
    waiting = [*pending, *(_pending_fact(event) for event in fresh if _owner(event) is None)]
    added = [_accepted(event, owner) for event in fresh if (owner := _owner(event)) is not None]
    taken_back, moved = [], []
    for fact in waiting:
        holder = holders.get((fact.org_id, fact.badge))
        is_stored = fact.key in taken_ids
        if is_stored and holder == fact.person_id:
            continue
        moved.append(replace(fact, person_id=holder))
        if fact.person_id is not None:
            taken_back.append(_of_pending(fact, fact.person_id))
        if holder is not None:
            added.append(_of_pending(fact, holder))
    return PunchJudgement(tuple(moved), tuple(added), tuple(taken_back), len(received) - len(fresh))


def punch_of(event: PunchSubmitted) -> FactKey:
    """Return which punch an event is about."""
    return FactKey(event.org_id, event.punch_id)


def _is_new(
    received: ReceivedPunch, seen: Mapping[FactKey, KnownPunch], captures: Collection[FactKey]
) -> bool:
    event = received.event
    known, method = seen.get(punch_of(event)), event.method.lower()
    if punch_of(event) in captures or (known is not None and known.method != method):
        raise PoisonRecord(
            "id-in-use",
            f"{event.punch_id} is something else already, this record makes it a punch by {method}; the "
            f"first stays, find out why {event.device_id or event.made_by} gave one id twice",
            record=received.record,
        )
    if known is not None and known.occurred_at != event.occurred_at:
        raise PoisonRecord(
            "second-occurred-at",
            f"punch {event.punch_id} occurred at {known.occurred_at.isoformat()}, this record says "
            f"{event.occurred_at.isoformat()}; the first stays, find out who changed it",
            record=received.record,
        )
    return known is None


def _owner(event: PunchSubmitted) -> str | None:
    """Return whose the punch is, for ever; None: of the holder of the badge."""
    if event.person_id is None and event.method is not PunchMethod.BADGE:
        return event.credential
    return event.person_id


def _pending_fact(event: PunchSubmitted) -> PendingFact:
    return PendingFact(
        org_id=event.org_id,
        fact_id=event.punch_id,
        occurred_at=event.occurred_at,
        badge=event.credential,
        person_id=None,
        site_id=event.site_id,
        device_id=event.device_id,
        direction=None if event.direction is None else event.direction.value,
        method=event.method.lower(),
    )


def _accepted(event: PunchSubmitted, person_id: str) -> AcceptedPunch:
    return _of_pending(_pending_fact(event), person_id)


def _of_pending(fact: PendingFact, person_id: str) -> AcceptedPunch:
    return AcceptedPunch(
        org_id=fact.org_id,
        punch_id=fact.fact_id,
        occurred_at=fact.occurred_at,
        person_id=person_id,
        site_id=fact.site_id,
        device_id=fact.device_id,
        direction=fact.direction,
        method=fact.method,
        capture_id=None,
    )

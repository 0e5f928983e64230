"""Whose the punches without a face are, and which of them are new.

ingest names the person when the directory had one for what was shown. A punch with a badge that nobody had
waits, as a pending fact, and belongs to the holder whom the directory names: whoever had the badge when it
was shown, or got it first after that. A punch has one occurred_at for ever; a second one is refused, and so
is one at a site, or of a person of a site, that its sender's authority does not reach.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from attendance_projector.domain.authority import covers
from attendance_projector.projection.refusals import OUT_OF_SCOPE, Reason, Refuse
from attendance_projector.projection.stored import (
    AcceptedPunch,
    EntryKey,
    FactKey,
    Holder,
    KnownPunch,
    PendingFact,
)
from attendance_schemas.events import PunchMethod, PunchSubmitted


@dataclass(frozen=True, slots=True)
class PunchJudgement:
    """Pending facts to store, and the punches that are added and taken back."""

    pending: tuple[PendingFact, ...]
    added: tuple[AcceptedPunch, ...]
    taken_back: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_punches(
    received: Sequence[PunchSubmitted],
    taken_ids: Mapping[FactKey, KnownPunch],
    captures: Collection[FactKey],
    pending: Sequence[PendingFact],
    holders: Mapping[EntryKey, Sequence[Holder]],
    refuse: Refuse,
) -> PunchJudgement:
    """Judge punches in the order in which they were recorded, and pending facts whose badge may have moved.

    `taken_ids` is what is stored under their ids, `captures` those that are captures, stored or new;
    `holders` says who had each badge, in order, and who has it now.
    """
    fresh, without_effect = _fresh(received, taken_ids, captures, refuse)
    waiting = [*pending, *(_pending_fact(event) for event in fresh if _owner(event) is None)]
    added = [_accepted(event, owner) for event in fresh if (owner := _owner(event)) is not None]
    taken_back, moved = [], []
    for fact in waiting:
        of_badge = holders.get((fact.org_id, fact.badge), ())
        holder = next((each.person_id for each in of_badge if each.has_it_after(fact.occurred_at)), None)
        is_stored = fact.key in taken_ids
        if is_stored and holder == fact.person_id:
            continue
        moved.append(replace(fact, person_id=holder))
        if fact.person_id is not None:
            taken_back.append(_of_pending(fact, fact.person_id))
        if holder is not None:
            added.append(_of_pending(fact, holder))
    return PunchJudgement(tuple(moved), tuple(added), tuple(taken_back), without_effect)


def punch_of(event: PunchSubmitted) -> FactKey:
    """Return which punch an event is about."""
    return FactKey(event.org_id, event.punch_id)


def _fresh(
    received: Sequence[PunchSubmitted],
    taken_ids: Mapping[FactKey, KnownPunch],
    captures: Collection[FactKey],
    refuse: Refuse,
) -> tuple[list[PunchSubmitted], int]:
    """Return the punches that are new, and how many were seen before."""
    seen, fresh, repeated = dict(taken_ids), [], 0
    for event in received:
        key = punch_of(event)
        known = seen.get(key)
        if (reason := _refusal(event, known, is_capture=key in captures)) is not None:
            refuse(event, reason)
        elif known is not None:
            repeated += 1
        else:
            fresh.append(event)
            seen[key] = KnownPunch(*key, event.occurred_at, None, event.method.lower(), None)
    return fresh, repeated


def _refusal(event: PunchSubmitted, known: KnownPunch | None, *, is_capture: bool) -> Reason | None:
    """Return why a punch is refused: beyond its sender's authority, or of an id that is something else."""
    sender, method = event.authority.subject, event.method.lower()
    homes = () if event.device_id is not None else (event.home_site_id,)
    if not covers(event.authority.sites, event.site_id, *homes):
        detail = (
            f"{sender} acts for {', '.join(event.authority.sites or ())} only, and punch {event.punch_id} is "
            f"at {event.site_id} for somebody of {event.home_site_id or event.site_id}; ask somebody who "
            "acts for both"
        )
        return Reason(OUT_OF_SCOPE, detail)
    if is_capture or (known is not None and known.method != method):
        detail = (
            f"{event.punch_id} is something else already, this record makes it a punch by {method}; the "
            f"first stays, find out why {sender} gave one id twice"
        )
        return Reason("id-in-use", detail)
    if known is not None and known.occurred_at != event.occurred_at:
        detail = (
            f"punch {event.punch_id} occurred at {known.occurred_at.isoformat()}, this record says "
            f"{event.occurred_at.isoformat()}; the first stays, find out who changed it"
        )
        return Reason("second-occurred-at", detail)
    return None


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

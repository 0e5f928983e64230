"""Which decisions on captures count, and what they do to punches.

A capture has one occurred_at for ever: ingest decides it once, and a second one is refused. Of several
decisions the one with the highest round counts; of equal rounds the first. An identification is a punch of
its person; a later decision takes back the punch of an earlier one unless it is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from attendance_projector.ports import AcceptedPunch, KnownCapture
from attendance_schemas.events import MatchDecided, Outcome
from service_kit.errors import PoisonRecord
from service_kit.records import Record

FACE = "face"


@dataclass(frozen=True, slots=True)
class ReceivedDecision:
    """A decision and the record that carried it."""

    record: Record
    event: MatchDecided


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decisions to store, one for each capture, and the punches that they add and take back."""

    stored: tuple[MatchDecided, ...]
    added: tuple[AcceptedPunch, ...]
    taken_back: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_decisions(received: Sequence[ReceivedDecision], known: Mapping[UUID, KnownCapture]) -> Judgement:
    """Judge decisions in the order in which they were recorded against what is stored.

    Raises PoisonRecord, naming the record, for a second occurred_at of one capture.
    """
    newest: dict[UUID, MatchDecided] = {}
    for decision in received:
        event = decision.event
        current = newest.get(event.capture_id) or known.get(event.capture_id)
        if current is not None and current.occurred_at != event.occurred_at:
            raise PoisonRecord(
                "second-occurred-at",
                f"capture {event.capture_id} occurred at {current.occurred_at.isoformat()}, this record says "
                f"{event.occurred_at.isoformat()}; the first stays, find out who changed it",
                record=decision.record,
            )
        if current is None or event.decision_round > current.decision_round:
            newest[event.capture_id] = event
    added, taken_back = [], []
    for event in newest.values():
        before, after = _punch_before(known.get(event.capture_id)), punch_of(event)
        if before == after:
            continue
        if before is not None:
            taken_back.append(before)
        if after is not None:
            added.append(after)
    return Judgement(
        stored=tuple(newest.values()),
        added=tuple(added),
        taken_back=tuple(taken_back),
        without_effect=len(received) - len(newest),
    )


def punch_of(event: MatchDecided) -> AcceptedPunch | None:
    """Return the punch that a decision makes: only an identification makes one."""
    if event.outcome is not Outcome.IDENTIFIED or event.person_id is None:
        return None
    return AcceptedPunch(
        punch_id=event.capture_id,
        occurred_at=event.occurred_at,
        org_id=event.org_id,
        person_id=event.person_id,
        site_id=event.site_id,
        device_id=event.device_id,
        direction=None if event.direction is None else event.direction.value,
        method=FACE,
        capture_id=event.capture_id,
    )


def _punch_before(capture: KnownCapture | None) -> AcceptedPunch | None:
    if capture is None or capture.outcome != Outcome.IDENTIFIED or capture.person_id is None:
        return None
    return AcceptedPunch(
        punch_id=capture.capture_id,
        occurred_at=capture.occurred_at,
        org_id=capture.org_id,
        person_id=capture.person_id,
        site_id=capture.site_id,
        device_id=capture.device_id,
        direction=capture.direction,
        method=FACE,
        capture_id=capture.capture_id,
    )

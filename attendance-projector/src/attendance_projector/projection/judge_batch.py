"""Judge what a batch says about captures, punches and corrections, all of it together.

Ids of captures and punches are of one kind: of two things with one id the first stays, and the other is
refused. In one batch captures come first, then punches, then additions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from attendance_projector.projection.days.stale_dates import Change
from attendance_projector.projection.judge_decisions import (
    Judgement,
    StoredOfCaptures,
    capture_of,
    judge_decisions,
)
from attendance_projector.projection.judge_punches import (
    PunchJudgement,
    judge_punches,
    punch_of,
)
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.record_corrections import (
    CorrectionEvent,
    CorrectionJudgement,
    added_id,
    changes_of,
    judge_corrections,
)
from attendance_projector.projection.refusals import Reason, Refuse
from attendance_projector.projection.refuse_final import still_judged, still_passed_on
from attendance_projector.projection.stored import Beside, EntryKey, EventOrTombstone, FactKey, PersonKey
from attendance_schemas.events import Event, MatchDecided, PunchSubmitted, ReviewDecided
from service_kit.kafka.records import Record

E = TypeVar("E", bound=Event)
Changes = dict[PersonKey, list[Change]]


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event, the record that carried it, and why it can never count, if so."""

    record: Record
    event: EventOrTombstone
    refused: Reason | None = None


@dataclass(frozen=True, slots=True)
class ReceivedBeside:
    """A dead letter, or a record that says nothing here."""

    record: Record
    event: Beside


Received = ReceivedEvent | ReceivedBeside


async def judge_captures(
    transaction: Transaction, fresh: Sequence[ReceivedEvent], refuse: Refuse
) -> Judgement:
    """Lock the captures that decisions and reviews name, and judge what is new about them."""
    decisions, reviews = of_type(fresh, MatchDecided), of_type(fresh, ReviewDecided)
    judged, reviewed = set(map(capture_of, decisions)), set(map(capture_of, reviews))
    named = judged | reviewed
    await transaction.positions.lock_captures(judged, reviewed)
    stored = StoredOfCaptures(
        captures=still_judged(await transaction.captures.known(named), await transaction.retention.read()),
        reviews=await transaction.corrections.reviews(
            named, {FactKey(each.org_id, each.review_id) for each in reviews}
        ),
        taken_ids=await transaction.corrections.punches_without_face(judged),
    )
    return judge_decisions(decisions, stored, refuse, reviews)


async def judge_punches_beside(
    transaction: Transaction,
    fresh: Sequence[ReceivedEvent],
    badges: set[EntryKey],
    decided: Judgement,
    refuse: Refuse,
) -> PunchJudgement:
    """Judge new punches beside the captures of the batch, and those whose badge may have got a holder."""
    received = of_type(fresh, PunchSubmitted)
    named = set(map(punch_of, received))
    pending = still_passed_on(
        await transaction.corrections.pending(badges), await transaction.retention.read()
    )
    shown = {(each.org_id, each.credential) for each in received if each.person_id is None}
    taken = await transaction.corrections.punches(named | {fact.key for fact in pending})
    holders = await transaction.corrections.holders(badges | shown)
    captures = {*await transaction.captures.known(named), *map(capture_of, decided.stored)}
    return judge_punches(received, taken, captures, pending, holders, refuse)


async def record_corrections(
    transaction: Transaction,
    fresh: Sequence[ReceivedEvent],
    changes: Changes,
    judged: Sequence[Judgement | PunchJudgement],
    refuse: Refuse,
) -> CorrectionJudgement:
    """Lock the people of all that was judged, then judge and store corrections, and add what they change."""
    corrections: list[CorrectionEvent] = [
        each.event for each in fresh if isinstance(each.event, CorrectionEvent)
    ]
    corrected_people = {PersonKey(each.org_id, each.person_id) for each in corrections}
    punches = [punch for each in judged for punch in (*each.added, *each.taken_back)]
    await transaction.positions.lock_people(corrected_people | {punch.person for punch in punches})
    named = [FactKey(each.org_id, each.correction_id) for each in corrections]
    known = await transaction.corrections.of_people(corrected_people, named)
    taken = await _taken(transaction, corrections, judged)
    corrected = judge_corrections(corrections, known, refuse, taken)
    await transaction.corrections.store(corrected.stored)
    rows = {**known, **{row.key: row for row in corrected.stored}}
    merge(changes, await changes_of(corrected.stored, rows, transaction.corrections))
    return corrected


async def _taken(
    transaction: Transaction,
    corrections: Sequence[CorrectionEvent],
    judged: Sequence[Judgement | PunchJudgement],
) -> set[FactKey]:
    """Return which of the punches that corrections add have the id of another punch, or of a capture."""
    ids = {added for each in corrections if (added := added_id(each)) is not None}
    if not ids:
        return set()
    taken = {*await transaction.captures.known(ids), *await transaction.corrections.punches(ids)}
    for each in judged:
        new = (
            map(capture_of, each.stored) if isinstance(each, Judgement) else (one.key for one in each.pending)
        )
        taken |= {*new, *(punch.key for punch in each.added)}
    return taken & ids


def merge(changes: Changes, more: Mapping[PersonKey, Sequence[Change]]) -> None:
    """Add more changes to those of each person."""
    for person, of_person in more.items():
        changes.setdefault(person, []).extend(of_person)


def of_type(fresh: Iterable[ReceivedEvent], event_type: type[E]) -> list[E]:
    """Return the events of one type."""
    return [each.event for each in fresh if isinstance(each.event, event_type)]

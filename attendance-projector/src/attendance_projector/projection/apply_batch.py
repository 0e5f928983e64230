"""Apply the events of a batch in one transaction: each exactly once, however often it is sent.

1. lock the positions, leave out what was applied before, and apply nothing when something is missing in
   between: a standby that lagged may have been promoted, so what a position says is compared with where this
   consumer read;
2. lock what is judged: everyone, when time passes; the organisations whose directory or locked periods
   change; else the captures and people; refuse what can never count, and what is about months that are
   final;
3. record the directory and locked periods, let time pass, judge decisions, punches and corrections against
   what is stored;
4. store them, recompute the days that became stale, or let them wait when they are of many people, record
   those of a new lock, keep what was refused with the reason;
5. follow what is awaited, erased or a dead letter, and move the positions.

Locks are taken in one order by all: positions, everyone, organisations, captures, people.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from attendance_projector.domain.retention import Retention
from attendance_projector.errors import PositionsSetBack
from attendance_projector.projection.backlog.put_off import compute_or_put_off
from attendance_projector.projection.days.recompute_days import Write
from attendance_projector.projection.days.stale_dates import Change, DayLostPunch
from attendance_projector.projection.directory.record_directory import record_directory
from attendance_projector.projection.fates.follow_fates import FATEFUL, follow_fates, forget_dead
from attendance_projector.projection.judge_batch import (
    Changes,
    Received,
    ReceivedEvent,
    judge_captures,
    judge_punches_beside,
    merge,
    of_type,
    record_corrections,
)
from attendance_projector.projection.judge_decisions import Judgement
from attendance_projector.projection.judge_punches import PunchJudgement
from attendance_projector.projection.pass_time import device_points, pass_time
from attendance_projector.projection.periods.record_periods import (
    PeriodEvent,
    RecordedPeriods,
    record_periods,
)
from attendance_projector.projection.periods.tell_locked_days import tell_locked_days
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.refusals import UNSTORABLE, Refusals, Refuse, distinct
from attendance_projector.projection.refuse_final import final_reason
from attendance_projector.projection.stored import (
    AcceptedPunch,
    DeadLetter,
    EntryKey,
    EventOrTombstone,
    FactKey,
    PersonKey,
    Tombstone,
)
from attendance_schemas.events import (
    ClockTicked,
    EnrolmentDecided,
    Event,
    PeriodLocked,
    PersonRecorded,
    ReviewDecided,
)
from attendance_schemas.topics import DIRECTORY
from service_kit.kafka.records import Position, Record, TopicPartition

# What makes days of changes, by person, and of new punches: at once, or for a rebuild later. It writes the
# rest, too.
Recompute = Callable[
    [Transaction, Mapping[PersonKey, Sequence[Change]], Sequence[AcceptedPunch], Write], Awaitable[int]
]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did."""

    fresh: Sequence[ReceivedEvent] = ()
    duplicate_count: int = 0
    day_count: int = 0
    refusals: Refusals = field(default_factory=Refusals)


def is_of_directory(event: EventOrTombstone) -> bool:
    """Say whether an event is one of the directory's."""
    return isinstance(event, Tombstone) or type(event).__name__ in DIRECTORY.events


async def apply_batch(
    transaction: Transaction, received: Sequence[Received], recompute: Recompute = compute_or_put_off
) -> Applied:
    """Apply the events that the positions say are new, and move the positions past all of them."""
    next_offsets = await transaction.positions.lock(
        sorted({each.record.topic_partition for each in received})
    )
    fresh = _fresh(received, next_offsets)
    if not fresh:
        return Applied(duplicate_count=len(received))
    repeated = len(received) - len(fresh)
    last_positions = _last_positions(fresh)
    applied = await apply_fresh(transaction, fresh, recompute)
    await transaction.positions.move(last_positions)
    return replace(applied, duplicate_count=repeated + applied.duplicate_count)


async def apply_fresh(
    transaction: Transaction, received: Sequence[Received], recompute: Recompute = compute_or_put_off
) -> Applied:
    """Apply events that are new, and leave the positions where they are."""
    events = [each for each in received if isinstance(each, ReceivedEvent)]
    facts = [each for each in events if each.refused is not None or not isinstance(each.event, FATEFUL)]
    applied = await _apply_facts(transaction, facts, recompute) if facts else Applied()
    dead_letters = [each.event for each in received if isinstance(each.event, DeadLetter)]
    by_refusal: dict[bool, list[Event]] = {True: [], False: []}
    for each in events:
        if isinstance(each.event, Event):
            by_refusal[each.refused is not None].append(each.event)
    await follow_fates(transaction.fates, by_refusal[False], by_refusal[True], dead_letters)
    return replace(applied, fresh=events)


async def _apply_facts(
    transaction: Transaction, fresh: Sequence[ReceivedEvent], recompute: Recompute
) -> Applied:
    await _lock_everyone(transaction, fresh)
    retention, refusals = await transaction.retention.read(), Refusals()
    await transaction.absence.store_points(
        device_points(each.event for each in fresh if each.refused is None or each.refused.slug != UNSTORABLE)
    )
    fresh = _countable(fresh, retention, refusals, is_live=transaction.is_live)
    changes, badges = await _record_directory(transaction, fresh)
    await _pass_time(transaction, fresh, changes)
    refuse = refusals.refuse
    recorded = await _record_periods(transaction, fresh, retention, refuse)
    merge(changes, recorded.changes)
    decided = await judge_captures(transaction, fresh, refuse)
    punched = await judge_punches_beside(transaction, fresh, badges, decided, refuse)
    corrected = await record_corrections(transaction, fresh, changes, [decided, punched], refuse)
    for lost in await transaction.captures.remove_punches([*decided.taken_back, *punched.taken_back]):
        changes.setdefault(lost.person, []).append(DayLostPunch(lost.first_on))
    added = [*decided.added, *punched.added, *corrected.added]
    store = partial(_store, transaction, fresh, decided, punched)
    day_count = await recompute(transaction, changes, added, store)
    await _tell_locked(transaction, recorded.untold if transaction.is_live else ())
    await _keep_refused(transaction, refusals, decided)
    without_effect = decided.without_effect + punched.without_effect + corrected.without_effect
    return Applied(fresh, without_effect, day_count, refusals)


async def _lock_everyone(transaction: Transaction, fresh: Sequence[ReceivedEvent]) -> None:
    """Lock everyone when time passes, else the organisations that change, and join the others."""
    directory = {_organisation(each.event) for each in fresh if is_of_directory(each.event)}
    if any(isinstance(each.event, ClockTicked) for each in fresh):
        await transaction.positions.lock_everyone()
    else:
        periods = {each.event.org_id for each in fresh if isinstance(each.event, PeriodEvent)}
        everyone = {_organisation(each.event) for each in fresh}
        await transaction.positions.join_everyone(everyone, alone=directory | periods)
    if directory:
        await transaction.positions.change_directory()


def _organisation(event: EventOrTombstone) -> str:
    return event.fields["org_id"] if isinstance(event, Tombstone) else event.org_id


async def _tell_locked(transaction: Transaction, locks: Sequence[PeriodLocked]) -> None:
    """Tell the days of new locks, or let them wait for the backlog: what is sealed must not be stale."""
    for lock in locks:
        if await transaction.backlog.holds_up(lock):
            await transaction.backlog.put_off(lock)
        else:
            await tell_locked_days(lock, transaction.periods, transaction.outbox)


async def _record_directory(
    transaction: Transaction, fresh: Sequence[ReceivedEvent]
) -> tuple[Changes, set[EntryKey]]:
    """Record the directory; return what that changes, and the badges of the people that it names."""
    events = [each.event for each in fresh if is_of_directory(each.event)]
    if not events:
        return {}, set()
    people = _people_named(events)
    badges = await transaction.corrections.badges_of_people(people)
    changes = await record_directory(transaction.directory, events)
    return changes, badges | await transaction.corrections.badges_of_people(people)


async def _pass_time(transaction: Transaction, fresh: Sequence[ReceivedEvent], changes: Changes) -> None:
    if ticks := of_type(fresh, ClockTicked):
        merge(changes, await pass_time(ticks, transaction.absence))
        await forget_dead(transaction.fates, max(each.occurred_at for each in ticks))


async def _record_periods(
    transaction: Transaction, fresh: Sequence[ReceivedEvent], retention: Retention, refuse: Refuse
) -> RecordedPeriods:
    events: list[PeriodEvent] = [each.event for each in fresh if isinstance(each.event, PeriodEvent)]
    final_before, is_live = retention.final_before, transaction.is_live
    return await record_periods(
        events, transaction.periods, refuse, final_before=final_before, is_live=is_live
    )


def _countable(
    fresh: Sequence[ReceivedEvent], retention: Retention, refusals: Refusals, *, is_live: bool
) -> list[ReceivedEvent]:
    """Refuse what can never count, and facts about final months.

    A rebuild passes over the latter: what counted of them it has, and what was refused of them, too.
    """
    countable = []
    for each in fresh:
        reason = each.refused
        if reason is None and (reason := final_reason(each.event, retention)) is not None and not is_live:
            continue
        if reason is None:
            countable.append(each)
        elif isinstance(each.event, ClockTicked):
            refusals.pass_over(each.event, reason)
        elif isinstance(each.event, Tombstone):
            refusals.refuse_tombstone(each.event, reason, each.record.timestamp)
        else:
            refusals.refuse(each.event, reason)
    return countable


async def _keep_refused(transaction: Transaction, refusals: Refusals, decided: Judgement) -> None:
    """Store what was refused; of captures that were judged, exactly the reviews that do not count now.

    Why a review does not count goes by those that were recorded before it, which may come later.
    """
    folded = [row for each in decided.reviewed for row in each.refused]
    accepted = {key: None for each in decided.reviewed for key in each.accepted}
    if judged := accepted | {FactKey(row.org_id, UUID(row.fact_id)): row.detail for row in folded}:
        await transaction.refused.take_back(judged)
    if rows := distinct([*refusals.rows, *folded]):
        await transaction.refused.store(rows)


async def _store(
    transaction: Transaction, fresh: Sequence[ReceivedEvent], decided: Judgement, punched: PunchJudgement
) -> None:
    await transaction.captures.store(decided.stored)
    await transaction.captures.store_enrolments(of_type(fresh, EnrolmentDecided))
    await transaction.corrections.store_reviews(of_type(fresh, ReviewDecided))
    await transaction.corrections.store_pending(punched.pending)


def _people_named(events: Sequence[EventOrTombstone]) -> set[PersonKey]:
    named = {
        PersonKey(event.org_id, event.person_id) for event in events if isinstance(event, PersonRecorded)
    }
    return named | {
        PersonKey(event.fields["org_id"], event.fields["person_id"])
        for event in events
        if isinstance(event, Tombstone) and event.event_name == PersonRecorded.__name__
    }


def _fresh(received: Sequence[Received], next_offsets: Mapping[TopicPartition, int]) -> list[Received]:
    """Leave out what a position has passed, and repetitions within the batch. Raises PositionsSetBack."""
    ahead = dict(next_offsets)
    fresh = []
    for each in received:
        check_nothing_is_missing(each.record, ahead[each.record.topic_partition])
        if each.record.offset >= ahead[each.record.topic_partition]:
            ahead[each.record.topic_partition] = each.record.committable.next_offset
            fresh.append(each)
    return fresh


def check_nothing_is_missing(record: Record, next_offset: int) -> None:
    """Raise PositionsSetBack when the tables do not have all that this consumer got before the record.

    Offsets may have gaps, from compaction or transactions; where the consumer read on has none.
    """
    if record.read_from is not None:
        check_reached(record.topic_partition, next_offset, record.read_from)


def check_reached(partition: TopicPartition, next_offset: int, reached: int) -> None:
    """Raise PositionsSetBack when a position of the tables is before what was applied to them."""
    if next_offset < reached:
        raise PositionsSetBack(
            f"the tables have {partition.topic}[{partition.partition}] up to {next_offset}, and everything "
            f"up to {reached} was applied: a server that lacks the newest transactions answers, such as a "
            "standby that lagged and was promoted. The missing facts have to be read again first"
        )


def _last_positions(fresh: Sequence[Received]) -> list[Position]:
    return list({each.record.topic_partition: each.record.committable for each in fresh}.values())

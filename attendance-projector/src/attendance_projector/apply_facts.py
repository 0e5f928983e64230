"""Apply a batch of records to the read model, each exactly once.

1. decode every record and refuse those that can never be applied;
2. make room for their months;
3. in one transaction: lock the positions and leave out what was applied before, record the directory, judge
   the decisions, recompute the days that became stale, move the positions.

A record that was applied before changes nothing, whoever sends it again: the position moves with the rows,
and a second projector waits for the lock on it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import perf_counter, time_ns

from attendance_projector.directory_facts import EARLIEST_ON, LATEST_ON, check_directory_event
from attendance_projector.domain.facts import RuleError
from attendance_projector.judge_decisions import Judgement, ReceivedDecision, judge_decisions
from attendance_projector.metrics import ProjectorMetrics
from attendance_projector.ports import DirectoryFact, EventReader, ReadModel, Tombstone, Transaction
from attendance_projector.recompute_days import recompute_days
from attendance_projector.record_directory import record_directory
from attendance_projector.stale_dates import Change, DayLostPunch
from attendance_schemas.events import (
    DeviceRecorded,
    EnrolmentDecided,
    HolidayRecorded,
    LeaveRecorded,
    MatchDecided,
    OrganisationRecorded,
    Outcome,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)
from service_kit.errors import PoisonRecord
from service_kit.records import Position, Record, TopicPartition
from service_kit.telemetry import extract_context, tracer

DIRECTORY_EVENTS = (
    OrganisationRecorded,
    SiteRecorded,
    DeviceRecorded,
    PersonRecorded,
    ShiftRecorded,
    RosterRecorded,
    HolidayRecorded,
    LeaveRecorded,
    PolicyRecorded,
)
DIRECTORY_FACTS = (*DIRECTORY_EVENTS, Tombstone)


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event and the record that carried it."""

    record: Record
    event: DirectoryFact


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did."""

    fresh: Sequence[ReceivedEvent] = ()
    duplicate_count: int = 0
    day_count: int = 0


class ApplyFacts:
    """The handler of the delivery loop: a batch of records of one or more partitions, all or nothing."""

    def __init__(
        self,
        reader: EventReader,
        read_model: ReadModel,
        metrics: ProjectorMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        is_tracing: bool = True,
    ) -> None:
        self._reader = reader
        self._read_model = read_model
        self._metrics = metrics
        self._now = now
        self._is_tracing = is_tracing

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records that come in offset order within each partition.

        Raises PoisonRecord for one that can never be applied, TransientFailure while a dependency is away;
        nothing of the batch is applied then.
        """
        started, started_ns = perf_counter(), time_ns()
        received = [ReceivedEvent(record, await self._reader.read(record)) for record in records]
        for each in received:
            check_event(each)
        decided = [each.event for each in received if isinstance(each.event, MatchDecided)]
        await self._read_model.ensure_months({event.occurred_at.astimezone(UTC).date() for event in decided})
        applied = await self._read_model.in_transaction(lambda transaction: apply_in(transaction, received))
        self._observe(applied, perf_counter() - started)
        if self._is_tracing:
            _trace(applied.fresh, started_ns)

    async def pass_over(self, record: Record) -> None:
        """Move the position past a record that went to the dead letters."""

        async def move(transaction: Transaction) -> None:
            await transaction.positions.lock([record.topic_partition])
            await transaction.positions.move([record.committable])

        await self._read_model.in_transaction(move)

    def _observe(self, applied: Applied, seconds: float) -> None:
        self._metrics.batch_seconds.observe(seconds)
        self._metrics.days.inc(applied.day_count)
        self._metrics.events.labels("any", "duplicate").inc(applied.duplicate_count)
        now = self._now()
        for name, count in Counter(type(each.event).__name__ for each in applied.fresh).items():
            self._metrics.events.labels(name, "applied").inc(count)
        for each in applied.fresh:
            if isinstance(each.event, MatchDecided):
                self._metrics.delay_seconds.observe(max(0.0, (now - each.event.received_at).total_seconds()))


def _trace(fresh: Sequence[ReceivedEvent], started_ns: int) -> None:
    """End the trace of each capture, which began at its upload, with the batch that made its row."""
    for each in fresh:
        if isinstance(each.event, MatchDecided):
            with extract_context(each.record.headers):
                tracer(__name__).start_span("project capture", start_time=started_ns).end()


def check_event(received: ReceivedEvent) -> None:
    """Raise PoisonRecord, naming the record, when the event can never be applied."""
    event = received.event
    if isinstance(event, MatchDecided):
        occurred_on = event.occurred_at.astimezone(UTC).date()
        if not EARLIEST_ON <= occurred_on <= LATEST_ON:
            raise PoisonRecord(
                "impossible-instant",
                f"capture {event.capture_id} says {event.occurred_at.isoformat()}; set the clock of device "
                f"{event.device_id}",
                record=received.record,
            )
        if event.outcome is Outcome.IDENTIFIED and event.person_id is None:
            raise PoisonRecord(
                "identified-nobody",
                f"capture {event.capture_id} is IDENTIFIED without a person",
                record=received.record,
            )
    elif isinstance(event, Tombstone):
        _check_tombstone(received.record, event)
    elif isinstance(event, DIRECTORY_EVENTS):
        try:
            check_directory_event(event)
        except RuleError as error:
            detail = f"{type(event).__name__} {event.event_id}: {error}"
            raise PoisonRecord("impossible-fact", detail, record=received.record) from error
    elif not isinstance(event, EnrolmentDecided):
        raise PoisonRecord(
            "unexpected-event",
            f"{type(event).__name__} {event.event_id} is no event of {received.record.topic}",
            record=received.record,
        )


def _check_tombstone(record: Record, tombstone: Tombstone) -> None:
    effective_on = tombstone.fields.get("effective_on")
    try:
        if effective_on is not None:
            date.fromisoformat(effective_on)
    except ValueError as error:
        detail = f"{tombstone.key!r} names no date; nothing was ever recorded under it"
        raise PoisonRecord("impossible-fact", detail, record=record) from error


async def apply_in(transaction: Transaction, received: Sequence[ReceivedEvent]) -> Applied:
    """Apply the events that the positions say are new, and move the positions past all of them."""
    next_offsets = await transaction.positions.lock(
        sorted({each.record.topic_partition for each in received})
    )
    fresh = _fresh(received, next_offsets)
    if not fresh:
        return Applied(duplicate_count=len(received))
    directory_facts = [each.event for each in fresh if isinstance(each.event, DIRECTORY_FACTS)]
    decisions = [
        ReceivedDecision(each.record, each.event) for each in fresh if isinstance(each.event, MatchDecided)
    ]
    enrolments = [each.event for each in fresh if isinstance(each.event, EnrolmentDecided)]
    known = await transaction.captures.known({decision.event.capture_id for decision in decisions})
    judgement = judge_decisions(decisions, known)
    changes: dict[str, list[Change]] = {}
    if directory_facts:
        await transaction.positions.lock_everyone()
        changes = await record_directory(transaction.directory, directory_facts)
    else:
        await transaction.positions.lock_people(_people_of(judgement))
    await transaction.captures.store(judgement.stored)
    await transaction.captures.store_enrolments(enrolments)
    for lost in await transaction.captures.remove_punches(judgement.taken_back):
        changes.setdefault(lost.person_id, []).append(DayLostPunch(lost.first_on))
    day_count = await recompute_days(transaction, changes, judgement.added)
    await transaction.positions.move(_last_positions(fresh))
    duplicate_count = len(received) - len(fresh) + judgement.without_effect
    return Applied(fresh, duplicate_count, day_count)


def _fresh(
    received: Sequence[ReceivedEvent], next_offsets: Mapping[TopicPartition, int]
) -> list[ReceivedEvent]:
    """Leave out what a position has passed, and repetitions within the batch."""
    ahead = dict(next_offsets)
    fresh = []
    for each in received:
        if each.record.offset >= ahead[each.record.topic_partition]:
            ahead[each.record.topic_partition] = each.record.committable.next_offset
            fresh.append(each)
    return fresh


def _people_of(judgement: Judgement) -> set[str]:
    return {punch.person_id for punch in (*judgement.added, *judgement.taken_back)}


def _last_positions(fresh: Sequence[ReceivedEvent]) -> list[Position]:
    return list({each.record.topic_partition: each.record.committable for each in fresh}.values())

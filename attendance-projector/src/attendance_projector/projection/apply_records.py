"""Apply a batch of records to the read model, each exactly once.

1. decode every record and refuse those that can never be applied;
2. make room for their months;
3. apply them in one transaction, and move the positions with the rows.

A record that was applied before changes nothing when it is sent again: the position moves with the rows,
and a second projector waits for the lock on it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from time import perf_counter, time_ns

from attendance_projector.domain.facts import RuleError
from attendance_projector.projection.apply_batch import Applied, Recompute, apply_batch, is_of_directory
from attendance_projector.projection.days.recompute_days import recompute_days
from attendance_projector.projection.directory.rule_inputs import (
    EARLIEST_ON,
    LATEST_ON,
    check_directory_event,
)
from attendance_projector.projection.judge_batch import ReceivedEvent
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.ports import EventReader, ReadModel, Transaction
from attendance_projector.projection.stored import EventOrTombstone, Tombstone
from attendance_schemas.events import (
    ClockTicked,
    DayOverridden,
    DaysLocked,
    EnrolmentDecided,
    MatchDecided,
    OrganisationRecorded,
    Outcome,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
    PolicyRecorded,
    PunchAdded,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
)
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record
from service_kit.observing.telemetry import extract_context, tracer

DATED = (MatchDecided, PunchSubmitted, PunchAdded)
# Without a tick for longer than this, months between the ticks would be missing.
LONGEST_OUTAGE = timedelta(days=400)
UNDATED = (ClockTicked, EnrolmentDecided, PunchVoided, DayOverridden, ReviewDecided)
PERIODS = (PeriodLocked, PeriodReopened, PeriodSealed, DaysLocked)


class ApplyRecords:
    """The handler of the delivery loop: a batch of records of one or more partitions, all or nothing."""

    def __init__(
        self,
        reader: EventReader,
        read_model: ReadModel,
        metrics: ProjectorMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        is_tracing: bool = True,
        recompute: Recompute = recompute_days,
    ) -> None:
        self._reader = reader
        self._read_model = read_model
        self._metrics = metrics
        self._now = now
        self._is_tracing = is_tracing
        self._recompute = recompute

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records that come in offset order within each partition.

        Raises PoisonRecord for one that can never be applied, TransientFailure while a dependency is away;
        nothing of the batch is applied then.
        """
        started, started_ns = perf_counter(), time_ns()
        received = [ReceivedEvent(record, await self._reader.read(record)) for record in records]
        for each in received:
            check_event(each)
        today = self._now().date()
        await self._read_model.ensure_months(
            set().union(*(_months_needed(each.event, today) for each in received))
        )
        try:
            applied = await self._read_model.in_transaction(
                lambda transaction: apply_batch(transaction, received, self._recompute)
            )
        except RuleError as error:
            # No record is named: the delivery loop finds it by trying one at a time.
            raise PoisonRecord("facts-contradict", str(error)) from error
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
    for on in _dates_named(event):
        if not EARLIEST_ON <= on <= LATEST_ON:
            raise PoisonRecord(
                "impossible-instant",
                f"{type(event).__name__} {getattr(event, 'event_id', '')} is about {on}; set the clock of "
                f"{getattr(event, 'device_id', None) or 'the machine that recorded it'}",
                record=received.record,
            )
    if isinstance(event, MatchDecided):
        if event.outcome is Outcome.IDENTIFIED and event.person_id is None:
            raise PoisonRecord(
                "identified-nobody",
                f"capture {event.capture_id} is IDENTIFIED without a person",
                record=received.record,
            )
    elif isinstance(event, PeriodLocked) and event.ends_on < event.starts_on:
        raise PoisonRecord(
            "impossible-fact",
            f"lock {event.lock_id} ends on {event.ends_on}, before it starts; lock with a new id",
            record=received.record,
        )
    elif isinstance(event, Tombstone):
        _check_tombstone(received.record, event)
    elif is_of_directory(event):
        try:
            check_directory_event(event)
        except RuleError as error:
            detail = f"{type(event).__name__} {event.event_id}: {error}"
            raise PoisonRecord("impossible-fact", detail, record=received.record) from error
    elif not isinstance(event, (*DATED, *UNDATED, *PERIODS)):
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


def _dates_named(event: EventOrTombstone) -> set[date]:
    """Return the UTC dates that an event is about."""
    if isinstance(event, (*DATED, ClockTicked)):
        return {event.occurred_at.astimezone(UTC).date()}
    if isinstance(event, DaysLocked):
        return {day.attendance_on for day in event.days}
    if isinstance(event, PeriodLocked):
        return {event.starts_on, event.ends_on}
    return {event.attendance_on} if isinstance(event, DayOverridden) else set()


def _months_needed(event: EventOrTombstone, today: date) -> set[date]:
    """Return dates in every month for which an event can make rows."""
    if isinstance(event, ClockTicked):
        on = event.occurred_at.astimezone(UTC).date()
        return _months(on - LONGEST_OUTAGE, on)
    if isinstance(event, PolicyRecorded) and event.expects_attendance:
        return _months(event.effective_on, max(event.effective_on, today))
    if isinstance(event, OrganisationRecorded) and event.default_policy_on is not None:
        return _months(event.default_policy_on, max(event.default_policy_on, today))
    return _dates_named(event)


def _months(first_on: date, last_on: date) -> set[date]:
    steps = (last_on - first_on).days // 28 + 1
    return {min(first_on + timedelta(days=28 * number), last_on) for number in range(steps + 1)}

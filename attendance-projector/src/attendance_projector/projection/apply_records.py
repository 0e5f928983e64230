"""Apply a batch of records to the read model, each exactly once.

1. decode every record and find out which can never count;
2. make room for them in their months;
3. apply them in one transaction, and move the positions with the rows.

A record that was applied before changes nothing when it is sent again: the position moves with the rows,
and a second projector waits for the lock on it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from time import perf_counter, time_ns

from attendance_projector.domain.facts import RuleError
from attendance_projector.errors import Unstorable
from attendance_projector.projection.apply_batch import (
    Applied,
    Recompute,
    apply_batch,
    apply_fresh,
    check_nothing_is_missing,
    is_of_directory,
)
from attendance_projector.projection.backlog.put_off import compute_or_put_off
from attendance_projector.projection.directory.rule_inputs import (
    EARLIEST_ON,
    LATEST_ON,
    check_directory_event,
)
from attendance_projector.projection.fates.follow_fates import FATEFUL
from attendance_projector.projection.judge_batch import Received, ReceivedBeside, ReceivedEvent
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.ports import EventReader, ReadModel, Transaction
from attendance_projector.projection.refusals import UNSTORABLE, Reason, unstorable_text
from attendance_projector.projection.stored import Beside, EventOrTombstone, Tombstone
from attendance_projector.projection.tick_clock import is_ahead, is_late_reset
from attendance_schemas.events import (
    FARTHEST_AHEAD,
    ClockTicked,
    DayOverridden,
    DaysLocked,
    EnrolmentDecided,
    Event,
    MatchDecided,
    Outcome,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
    PunchAdded,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
)
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Position, Record
from service_kit.observing.telemetry import extract_context, tracer

DATED = (MatchDecided, PunchSubmitted, PunchAdded)
UNDATED = (ClockTicked, EnrolmentDecided, PunchVoided, DayOverridden, ReviewDecided)
MINUTES_PER_DAY = 1440
CONTRADICTION = "facts-contradict"
# Hears of the instants of ticks before they count; what it raises ends the batch.
BeforeTimeComes = Callable[[Collection[datetime]], Awaitable[None]]
PERIODS = (PeriodLocked, PeriodReopened, PeriodSealed, DaysLocked)


class ApplyRecords:
    """The handler of the delivery loop: a batch of records of one or more partitions, all or nothing.

    What cannot be read is poison; what can be read and is refused by the rules is kept with the reason.
    """

    def __init__(
        self,
        reader: EventReader,
        read_model: ReadModel,
        metrics: ProjectorMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        is_tracing: bool = True,
        recompute: Recompute = compute_or_put_off,
        before_time_comes: BeforeTimeComes | None = None,
    ) -> None:
        self._reader = reader
        self._read_model = read_model
        self._metrics = metrics
        self._now = now
        self._is_tracing = is_tracing
        self._recompute = recompute
        self._before_time_comes = before_time_comes

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records that come in offset order within each partition.

        Raises PoisonRecord for one that cannot be read, TransientFailure while a dependency is away,
        PositionsSetBack when earlier records are missing; nothing of the batch is applied then.
        """
        started, started_ns = perf_counter(), time_ns()
        received: list[Received] = []
        for record in records:
            event = await self._reader.read(record)
            if isinstance(event, Beside):
                received.append(ReceivedBeside(record, event))
            else:
                received.append(ReceivedEvent(record, event, check_event(record, event)))
        if self._before_time_comes is not None:
            await self._before_time_comes(
                [
                    each.event.occurred_at
                    for each in received
                    if isinstance(each, ReceivedEvent)
                    and each.refused is None
                    and isinstance(each.event, ClockTicked)
                ]
            )
        await self._read_model.ensure_months(dates_of_facts(received))
        try:
            applied = await self._apply(received)
        except (RuleError, Unstorable) as error:
            applied = await self._apply_refusing(_with_refused(received, error))
        self._observe(applied, perf_counter() - started)
        if self._is_tracing:
            _trace(applied.fresh, started_ns)

    async def _apply(self, received: Sequence[Received]) -> Applied:
        return await self._read_model.in_transaction(
            lambda transaction: apply_batch(transaction, received, self._recompute)
        )

    async def _apply_refusing(self, received: Sequence[Received]) -> Applied:
        """Apply what is left once something is refused; facts can still contradict each other."""
        try:
            return await self._apply(received)
        except RuleError as error:
            raise PoisonRecord(CONTRADICTION, str(error)) from error

    async def pass_over(self, record: Record) -> None:
        """Move the position past a record that went to the dead letters."""

        async def move(transaction: Transaction) -> None:
            next_offsets = await transaction.positions.lock([record.topic_partition])
            check_nothing_is_missing(record, next_offsets[record.topic_partition])
            await transaction.positions.move([record.committable])

        await self._read_model.in_transaction(move)

    async def take_back(self, keys: Collection[bytes], ends: Collection[Position]) -> bool:
        """Take back what the directory says under these keys, while no position is past these ends.

        Returns whether none was. Positions stay where they are.
        """
        (topic,) = {each.topic for each in ends}
        records = [Record(topic, 0, 0, key, None, (), self._now()) for key in keys]
        read = [(each, await self._reader.read(each)) for each in records]
        gone = [ReceivedEvent(each, event) for each, event in read if isinstance(event, Tombstone)]

        async def apply(transaction: Transaction) -> Applied | None:
            next_offsets = await transaction.positions.lock([each.topic_partition for each in ends])
            if any(next_offsets[each.topic_partition] > each.next_offset for each in ends):
                return None
            return await apply_fresh(transaction, gone, self._recompute)

        applied = await self._read_model.in_transaction(apply)
        if applied is not None:
            self._metrics.days.inc(applied.day_count)
        return applied is not None

    def _observe(self, applied: Applied, seconds: float) -> None:
        self._metrics.batch_seconds.observe(seconds)
        self._metrics.days.inc(applied.day_count)
        self._metrics.events.labels("any", "duplicate").inc(applied.duplicate_count)
        now = self._now()
        kinds = Counter(type(each.event).__name__ for each in applied.fresh) - applied.refusals.kinds
        for name, count in kinds.items():
            self._metrics.events.labels(name, "applied").inc(count)
        for reason, count in applied.refusals.reasons.items():
            self._metrics.refused.labels(reason).inc(count)
        for each in applied.fresh:
            if isinstance(each.event, MatchDecided):
                self._metrics.delay_seconds.observe(max(0.0, (now - each.event.received_at).total_seconds()))


def dates_of_facts(received: Sequence[Received]) -> set[date]:
    """Return the UTC dates of facts that count, by which their tables have months."""
    return {
        each.event.occurred_at.astimezone(UTC).date()
        for each in received
        if isinstance(each.event, DATED) and isinstance(each, ReceivedEvent) and each.refused is None
    }


def _trace(fresh: Sequence[ReceivedEvent], started_ns: int) -> None:
    """End the trace of each capture, which began at its upload, with the batch that made its row."""
    for each in fresh:
        if isinstance(each.event, MatchDecided):
            with extract_context(each.record.headers):
                tracer(__name__).start_span("project capture", start_time=started_ns).end()


def _with_refused(received: Sequence[Received], error: RuleError | Unstorable) -> list[Received]:
    """Refuse what has text that no table can hold, or the one fact that the error is about.

    Raises PoisonRecord where it can be about any of several: the delivery loop then tries one at a time.
    """
    if isinstance(error, Unstorable):
        found = [_checked_text(each) for each in received]
        if found != list(received):
            return found
        reason = Reason(UNSTORABLE, error.detail)
    else:
        reason = Reason(CONTRADICTION, str(error))
    match received:
        case [ReceivedEvent(refused=None) as alone]:
            return [replace(alone, refused=reason)]
    raise PoisonRecord(*reason) from error


def _checked_text(each: Received) -> Received:
    """Refuse an event with text that no table can hold."""
    if isinstance(each, ReceivedBeside) or isinstance(each.event, Tombstone) or each.refused is not None:
        return each
    return replace(each, refused=unstorable_text(each.event))


def check_event(record: Record, event: EventOrTombstone) -> Reason | None:
    """Return why an event can never count. Raises PoisonRecord where it is no event of its topic."""
    if isinstance(event, Tombstone):
        _check_tombstone(record, event)
        return None
    if not (is_of_directory(event) or isinstance(event, (*DATED, *UNDATED, *PERIODS, *FATEFUL))):
        detail = f"{type(event).__name__} {event.event_id} is no event of {record.topic}"
        raise PoisonRecord("unexpected-event", detail, record=record)
    if isinstance(event, ClockTicked) and (off := _wrong_clock(event, record.timestamp)) is not None:
        return off
    return _impossibility(event)


def _wrong_clock(tick: ClockTicked, log_time: datetime) -> Reason | None:
    if is_ahead(tick, log_time):
        slug, machine = "tick-ahead", "that runs a projector"
    elif is_late_reset(tick, log_time):
        slug, machine = "reset-late", "that reset the clock, and reset it again"
    else:
        return None
    return Reason(
        slug,
        f"time came to {tick.occurred_at} when the log had {log_time}; set the clock of the machine "
        f"{machine}",
    )


def _impossibility(event: Event) -> Reason | None:
    """Return what no rule could make anything of."""
    for on in _dates_named(event):
        if not EARLIEST_ON <= on <= LATEST_ON:
            return Reason(
                "impossible-instant",
                f"{type(event).__name__} {event.event_id} is about {on}; set the clock of "
                f"{getattr(event, 'device_id', None) or 'the machine that recorded it'}",
            )
    if isinstance(event, (*DATED, DayOverridden)) and (reason := _far_ahead(event)) is not None:
        return reason
    if isinstance(event, MatchDecided) and event.outcome is Outcome.IDENTIFIED and event.person_id is None:
        return Reason("identified-nobody", f"capture {event.capture_id} is IDENTIFIED without a person")
    if isinstance(event, PeriodLocked) and event.ends_on < event.starts_on:
        detail = f"lock {event.lock_id} ends on {event.ends_on}, before it starts; lock with a new id"
        return Reason("impossible-fact", detail)
    if isinstance(event, DayOverridden):
        minutes = (event.worked_minutes, event.overtime_minutes)
        if not all(0 <= each <= MINUTES_PER_DAY for each in minutes):
            detail = (
                f"correction {event.correction_id} gives a day {minutes[0]} minutes, {minutes[1]} overtime"
            )
            return Reason("impossible-fact", f"{detail}; a day has up to {MINUTES_PER_DAY}")
    if is_of_directory(event):
        try:
            check_directory_event(event)
        except RuleError as error:
            return Reason("impossible-fact", f"{type(event).__name__} {event.event_id}: {error}")
    return None


def _far_ahead(event: Event) -> Reason | None:
    """Return why a fact is about a date that its sender cannot know yet, by when it was recorded."""
    recorded_on = event.recorded_at.astimezone(UTC).date()
    latest_on = recorded_on + FARTHEST_AHEAD
    for on in _dates_named(event):
        if on > latest_on:
            return Reason(
                "too-far-ahead",
                f"{type(event).__name__} {event.event_id} is about {on} and was recorded on {recorded_on}; "
                f"dates up to {FARTHEST_AHEAD.days} days later count: record it again when {on} is nearer",
            )
    return None


def _check_tombstone(record: Record, tombstone: Tombstone) -> None:
    effective_on = tombstone.fields.get("effective_on")
    try:
        if effective_on is not None:
            date.fromisoformat(effective_on)
    except ValueError as error:
        detail = f"{tombstone.key!r} names no date; nothing was ever recorded under it"
        raise PoisonRecord("undecodable", detail, record=record) from error


def _dates_named(event: EventOrTombstone) -> set[date]:
    """Return the UTC dates that an event is about."""
    if isinstance(event, (*DATED, ClockTicked)):
        return {event.occurred_at.astimezone(UTC).date()}
    if isinstance(event, DaysLocked):
        return {day.attendance_on for day in event.days}
    if isinstance(event, PeriodLocked):
        return {event.starts_on, event.ends_on}
    return {event.attendance_on} if isinstance(event, DayOverridden) else set()

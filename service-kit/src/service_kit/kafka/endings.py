"""How the delivery loop turns records in hand into endings: done, dead letters, or another try later."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.in_hand import InHand
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

Handle = Callable[[Record], Awaitable[None]]
HandleBatch = Callable[[Sequence[Record]], Awaitable[None]]


class DeadLetterSink(Protocol):
    """Takes poison records; `DeadLetters` is one."""

    def handled(self, records: Sequence[Record]) -> None:
        """Note records that were handled, in order."""

    async def put(self, record: Record, poison: PoisonRecord, *, attempts: int = 1) -> Position:
        """Write the record to the dead letters and wait for the acknowledgement."""


class Endings:
    """Steps 1 to 3 of the delivery loop, and the endings that they have. `done` is what step 4 may commit."""

    def __init__(
        self,
        *,
        handle: Handle | None,
        handle_batch: HandleBatch | None,
        dead_letters: DeadLetterSink,
        on_dead_letter: Handle | None,
        dependencies_pass: Callable[[], Awaitable[bool]] | None,
        may_run_ahead: bool,
        progressed: Callable[[], None],
        metrics: DeliveryMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done: dict[TopicPartition, Position] = {}
        self._handle = handle
        self._handle_batch = handle_batch
        self._dead_letters = dead_letters
        self._on_dead_letter = on_dead_letter
        self._dependencies_pass = dependencies_pass
        self._may_run_ahead = may_run_ahead and handle is not None
        self._progressed = progressed
        self._metrics = metrics
        self._clock = clock
        self._waiting: list[InHand] = []

    async def work(self, hands: Sequence[InHand]) -> None:
        """Try what is due; afterwards the records that are left in a hand are those to try again."""
        self._waiting = list(hands)
        due = [hand for hand in hands if hand.due <= self._clock()]
        if self._handle_batch is not None:
            together = [hand for hand in due if not hand.one_by_one]
            if together:
                await self._together(self._handle_batch, together)
            due = [hand for hand in due if hand.one_by_one]
        for hand in due:
            await self._one_by_one(hand)

    def note_failure(self, failure: TransientFailure) -> None:
        """Report that something waits for a dependency; that is no reason to restart the process."""
        self._progressed()
        self._metrics.retries.labels(failure.dependency).inc()
        log.warning("waiting for a dependency", dependency=failure.dependency, detail=failure.detail)

    async def _together(self, handle_batch: HandleBatch, hands: list[InHand]) -> None:
        for hand in hands:
            if hand.records[0].offset in hand.poison:
                await self._bury(hand, hand.records[0], hand.poison[hand.records[0].offset])
        parts = [(hand, hand.before_poison()) for hand in hands]
        records = [record for _, part in parts for record in part]
        if not records:
            return
        try:
            await self._timed(handle_batch(records), len(records))
        except PoisonRecord as poison:
            culprit = poison.record or (records[0] if len(records) == 1 else None)
            owner = next((hand for hand, part in parts if culprit in part), None)
            if culprit is not None and owner is not None:
                owner.poison[culprit.offset] = (
                    poison  # at the next turn: what is before it first, then this one
                )
                return
            for hand in hands:
                hand.one_by_one = True
        except TransientFailure as failure:
            self.note_failure(failure)
            for hand in hands:
                hand.postpone(self._clock())
        else:
            for hand, part in parts:
                self._pass_all(hand, part)

    async def _one_by_one(self, hand: InHand) -> None:
        while hand.records:
            record = hand.records[0]
            if record.offset in hand.ahead:
                self._finish(hand, record)
                continue
            try:
                if record.offset in hand.poison:
                    raise hand.poison[record.offset]
                await self._timed(self._handle_record(record), 1)
            except PoisonRecord as poison:
                if not await self._bury(hand, record, poison):
                    return
            except TransientFailure as failure:
                self.note_failure(failure)
                if not await self._try_later(hand, record, failure):
                    return
            else:
                self._pass(hand, record)

    async def _handle_record(self, record: Record) -> None:
        if self._handle is not None:
            await self._handle(record)
        elif self._handle_batch is not None:
            await self._handle_batch([record])

    async def _try_later(self, hand: InHand, record: Record, failure: TransientFailure) -> bool:
        """Postpone a failing record, or bury it when it failed alone too often; tell whether it is done."""
        if failure.is_contention:
            hand.postpone(self._clock())
            return False
        hand.failed(record)
        if hand.fails_alone:
            detail = f"{failure} on each of {hand.alone} tries while others passed"
            return await self._bury(hand, record, PoisonRecord("fails-alone", detail))
        await self._look_whether_others_pass(hand, record)
        hand.postpone(self._clock())
        return False

    async def _look_whether_others_pass(self, hand: InHand, failing: Record) -> None:
        if self._dependencies_pass is not None:
            try:
                hand.others_pass = await self._dependencies_pass()
            except TransientFailure:
                hand.others_pass = False
        elif self._handle is not None and self._may_run_ahead:
            probe = _other_key(hand, failing)
            if probe is None:
                return
            try:
                await self._timed(self._handle(probe), 1)
            except (TransientFailure, PoisonRecord):
                return  # it gets a turn of its own
            hand.ahead.add(probe.offset)
            self._count([probe])

    async def _bury(self, hand: InHand, record: Record, poison: PoisonRecord) -> bool:
        """Move the record to the dead letters; tell whether that worked."""
        try:
            await self._dead_letters.put(record, poison, attempts=hand.failures_of(record) or 1)
            if self._on_dead_letter is not None:
                await self._on_dead_letter(record)
        except TransientFailure as failure:
            self.note_failure(failure)
            hand.postpone(self._clock())
            return False
        log.warning("record moved to the dead letters", record=str(record), reason=poison.reason)
        self._metrics.dead_letters.labels(record.topic, poison.reason).inc()
        self._metrics.records.labels(record.topic, "dead-lettered").inc()
        self._finish(hand, record)
        return True

    def _pass(self, hand: InHand, record: Record) -> None:
        self._count([record])
        self._finish(hand, record)

    def _pass_all(self, hand: InHand, part: Sequence[Record]) -> None:
        """Pass the first records of a hand at once: one by one costs a batch more than reading it did."""
        if not part:
            return
        self._count(part)
        hand.finish_first(len(part))
        self.done[part[-1].topic_partition] = part[-1].committable
        self._progressed()

    def _count(self, records: Sequence[Record]) -> None:
        """Count records of one partition that were handled, in order."""
        self._dead_letters.handled(records)
        self._metrics.records.labels(records[-1].topic, "handled").inc(len(records))
        if self._dependencies_pass is None:
            for hand in self._waiting:
                hand.others_pass = True

    def _finish(self, hand: InHand, record: Record) -> None:
        hand.finish(record)
        self.done[record.topic_partition] = record.committable
        self._progressed()

    async def _timed(self, work: Awaitable[None], count: int) -> None:
        self._metrics.batch_records.observe(count)
        with self._metrics.handling_seconds.time():
            await work


def _other_key(hand: InHand, failing: Record) -> Record | None:
    """Choose a record whose order does not depend on the failing one."""
    for record in hand.records:
        other = record.key is None or record.key != failing.key
        if record is not failing and other and record.offset not in hand.ahead:
            return record
    return None

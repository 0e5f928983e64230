"""The delivery loop: every record is handled at least once, in order, or it ends up in the dead letters.

1. decode        the handler, from the record's bytes
2. handle        the handler
3. publish       the handler, and it awaits the acknowledgements (or the commit of its transaction)
4. commit        this loop: `next_offset`, when 1 to 3 are done

Three endings of 1 to 3:
- a value: the record is done; what the value means is for the domain;
- PoisonRecord: can never work: dead letters with the reason, then 4. Past `DeadLetterLimit`, which counts
senders, the consumer stops;
- TransientFailure: a dependency is away: the partition is paused, the wait grows with full jitter up to 60
  s, nothing is committed and nothing is given up. A record that fails alone while others pass is tried 5
  times, then it is poison. Anything else is a bug: it leaves the loop uncommitted and ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from service_kit.backoff import Backoff
from service_kit.backoff import wait as wait_or_stop
from service_kit.errors import (
    DeadLetterLimitExceeded,
    DeadLetterRefused,
    DeliveryStopped,
    PoisonRecord,
    TransientFailure,
)
from service_kit.kafka.deliver_one import Outcome, Passes, deliver_one
from service_kit.kafka.endings import DeadLetterSink, Endings, Handle, HandleBatch
from service_kit.kafka.in_hand import ATTEMPTS_ALONE, InHand
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import Record, TopicPartition
from service_kit.kafka.source import Batch, Source

__all__ = [
    "DeadLetterLimitExceeded",
    "DeadLetterSink",
    "DeliveryLoop",
    "DeliveryStopped",
    "Handle",
    "HandleBatch",
    "Outcome",
    "Passes",
    "PoisonRecord",
    "TransientFailure",
    "deliver_one",
]


class DeliveryLoop:
    """Run a handler over the records of a source.

    Give either `handle` (one record) or `handle_batch` (records of one or more partitions, each in offset
    order, applied as a whole or not at all). A batch that is poison without saying which record is taken
    apart record by record.

    Args:
        source: where records come from.
        dead_letters: where poison records go.
        handle: steps 1 to 3 for one record.
        handle_batch: steps 1 to 3 for many.
        backoff: makes the waits of one partition.
        attempts_alone: tries of a record that fails while others pass.
        on_dead_letter: called after a dead letter is acknowledged and before the commit; for applications
            that keep positions themselves.
        dependencies_pass: asks the handler's dependencies directly, and is then the only judge of whether a
            failing record fails alone; give it when records differ in what they depend on.
        progressed: called whenever something got done or is known to wait; `ProgressWatchdog.progressed`.
        metrics: where to count.
        poll: the longest wait for records before looking around.
        commit_interval: the shortest time between commits.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        *,
        dead_letters: DeadLetterSink,
        handle: Handle | None = None,
        handle_batch: HandleBatch | None = None,
        backoff: Callable[[], Backoff] = Backoff,
        attempts_alone: int = ATTEMPTS_ALONE,
        on_dead_letter: Callable[[Record], Awaitable[None]] | None = None,
        dependencies_pass: Callable[[], Awaitable[bool]] | None = None,
        progressed: Callable[[], None] = lambda: None,
        metrics: DeliveryMetrics | None = None,
        poll: timedelta = timedelta(seconds=0.2),
        commit_interval: timedelta = timedelta(0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (handle is None) == (handle_batch is None):
            raise ValueError("give the delivery loop either handle or handle_batch")
        self._source = source
        self._new_backoff = backoff
        self._attempts_alone = attempts_alone
        self._metrics = metrics or DeliveryMetrics()
        self._poll = poll.total_seconds()
        self._commit_interval = commit_interval.total_seconds()
        self._clock = clock
        self._endings = Endings(
            handle=handle,
            handle_batch=handle_batch,
            dead_letters=dead_letters,
            on_dead_letter=on_dead_letter,
            dependencies_pass=dependencies_pass,
            may_run_ahead=source.may_run_ahead,
            progressed=progressed,
            metrics=self._metrics,
            clock=clock,
        )
        self._hands: dict[TopicPartition, InHand] = {}
        self._last_commit = clock()
        self._source_backoff = backoff()
        source.before_revoke(self._commit_before_revoke)

    def lag(self) -> int:
        """Count the records of the assigned partitions that are not done."""
        return sum(self._source.lag().values())

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping` is set; then finish the batch in hand, commit and leave the group.

        Raises:
            DeadLetterLimitExceeded: too many senders of poison; the last record is not committed.
            DeadLetterRefused: Kafka takes no dead letter of a record, which is not committed.
            Exception: a bug in the handler; what it was working on is not committed.
        """
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                await self._turn(stop, stopping)
            await self._commit()
        except (DeadLetterLimitExceeded, DeadLetterRefused):
            await self._commit()
            raise
        finally:
            stop.cancel()
            await self._source.stop()

    async def _turn(self, stop: asyncio.Task[bool], stopping: asyncio.Event) -> None:
        try:
            fetched = await self._fetch(stop)
        except TransientFailure as failure:
            self._endings.note_failure(failure)
            await wait_or_stop(self._source_backoff.next_delay(), stopping)
            return
        self._source_backoff.reset()
        async with self._source.hold():
            self._take(fetched)
            await self._endings.work(list(self._hands.values()))
            self._put_down()
            if self._clock() - self._last_commit >= self._commit_interval:
                await self._commit()
        self._metrics.observe(self._source.lag(), waiting=len(self._hands))

    async def _fetch(self, stop: asyncio.Task[bool]) -> Sequence[Batch]:
        now = self._clock()
        due_in = min((hand.due - now for hand in self._hands.values()), default=self._poll)
        fetching = asyncio.ensure_future(
            self._source.fetch(timedelta(seconds=min(max(due_in, 0.0), self._poll)))
        )
        try:
            await asyncio.wait({fetching, stop}, return_when=asyncio.FIRST_COMPLETED)
            if fetching.done():
                return fetching.result()
            return []  # a rebalance can keep a fetch waiting; what it had is read again by the next owner
        finally:
            if not fetching.done():
                fetching.cancel()
                with contextlib.suppress(asyncio.CancelledError, TransientFailure):
                    await fetching

    def _take(self, fetched: Sequence[Batch]) -> None:
        generation = self._source.generation
        self._hands = {tp: hand for tp, hand in self._hands.items() if hand.generation == generation}
        for batch in fetched:
            if batch.generation != generation or not batch.records:
                continue
            if (hand := self._hands.get(batch.topic_partition)) is not None:
                hand.records.extend(batch.records)
                continue
            self._hands[batch.topic_partition] = InHand(
                list(batch.records), generation, self._new_backoff(), alone_limit=self._attempts_alone
            )

    def _put_down(self) -> None:
        for partition, hand in list(self._hands.items()):
            if hand.records:
                self._source.pause(partition)
            else:
                del self._hands[partition]
                self._source.resume(partition)

    async def _commit_before_revoke(self) -> None:
        await self._commit()
        self._endings.done.clear()

    async def _commit(self) -> None:
        # 4. commit next_offset. A failed commit costs duplicates, never records: try again at the next turn.
        self._last_commit = self._clock()
        if not self._endings.done:
            return
        try:
            await self._source.commit(list(self._endings.done.values()))
        except TransientFailure as failure:
            self._endings.note_failure(failure)
        else:
            self._endings.done.clear()

"""The delivery loop's endings for one record, for runtimes that fetch and commit themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

from service_kit.backoff import Backoff, wait
from service_kit.errors import DeliveryStopped, PoisonRecord, TransientFailure
from service_kit.kafka.endings import DeadLetterSink
from service_kit.kafka.in_hand import ATTEMPTS_ALONE
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class Outcome(Enum):
    """How a record ended; in both cases it is done and may be acknowledged."""

    HANDLED = "handled"
    DEAD_LETTERED = "dead-lettered"


class Passes:
    """Counts what was handled in this process: it tells an outage from one record's own fault."""

    def __init__(self) -> None:
        self.count = 0


class _Tries:
    """The tries of one record, and whether others passed between them."""

    def __init__(
        self, passes: Passes | None, dependencies_pass: Callable[[], Awaitable[bool]] | None
    ) -> None:
        self.passes = passes or Passes()
        self.count = 0
        self.alone = 0
        self._dependencies_pass = dependencies_pass
        self._passed_before = self.passes.count

    async def failed(self) -> None:
        others = self.alone > 0 and await self._others_pass()
        self.alone = self.alone + 1 if others else 1
        self._passed_before = self.passes.count

    async def _others_pass(self) -> bool:
        if self._dependencies_pass is None:
            return self.passes.count > self._passed_before
        try:
            return await self._dependencies_pass()
        except TransientFailure:
            return False


async def deliver_one(
    record: Record,
    handle: Callable[[Record], Awaitable[None]],
    dead_letters: DeadLetterSink,
    backoff: Backoff,
    stopping: asyncio.Event,
    *,
    passes: Passes | None = None,
    dependencies_pass: Callable[[], Awaitable[bool]] | None = None,
    attempts_alone: int = ATTEMPTS_ALONE,
    metrics: DeliveryMetrics | None = None,
    progressed: Callable[[], None] = lambda: None,
) -> Outcome:
    """Handle a record until it is done; return only then.

    Share one `passes` between all calls of a process, or give `dependencies_pass`, which is then the only
    judge: a record that fails `attempts_alone` times while others pass between its tries is poison. With
    neither, a transient failure is always an outage.

    Raises:
        DeliveryStopped: `stopping` was set while waiting for the next try; do not acknowledge the record.
        DeadLetterLimitExceeded: too many senders of poison; stop the process, do not acknowledge the record.
        DeadLetterRefused: Kafka takes no dead letter of the record; stop, do not acknowledge it.
        Exception: a bug in the handler; do not acknowledge the record.
    """
    metrics = metrics or DeliveryMetrics()
    tries = _Tries(passes, dependencies_pass)
    while True:
        tries.count += 1
        try:
            outcome = await _try(record, handle, dead_letters, tries, attempts_alone, metrics)
        except TransientFailure as failure:
            progressed()
            metrics.retries.labels(failure.dependency).inc()
            log.warning(
                "waiting for a dependency",
                dependency=failure.dependency,
                record=str(record),
                detail=failure.detail,
            )
            if await wait(backoff.next_delay(), stopping):
                raise DeliveryStopped(f"stopped while {record} waits: {failure}") from failure
        else:
            progressed()
            metrics.records.labels(record.topic, outcome.value).inc()
            return outcome


async def _try(
    record: Record,
    handle: Callable[[Record], Awaitable[None]],
    dead_letters: DeadLetterSink,
    tries: _Tries,
    attempts_alone: int,
    metrics: DeliveryMetrics,
) -> Outcome:
    try:
        with metrics.handling_seconds.time():
            await handle(record)
    except PoisonRecord as error:
        poison = error
    except TransientFailure as failure:
        if failure.is_contention:
            raise
        await tries.failed()
        if tries.alone < attempts_alone:
            raise
        poison = PoisonRecord("fails-alone", f"{failure} on each of {tries.alone} tries while others passed")
    else:
        tries.passes.count += 1
        dead_letters.handled([record])
        return Outcome.HANDLED
    await dead_letters.put(record, poison, attempts=tries.count)
    log.warning("record moved to the dead letters", record=str(record), reason=poison.reason)
    metrics.dead_letters.labels(record.topic, poison.reason).inc()
    return Outcome.DEAD_LETTERED

"""Keep working the backlog off, beside the batches, until the service stops."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from attendance_projector.domain.facts import RuleError
from attendance_projector.errors import ReadModelSwitched
from attendance_projector.projection.backlog.ports import StaleSpan
from attendance_projector.projection.backlog.work_off import PEOPLE_PER_PART, set_aside, work_off
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.ports import ReadModel
from service_kit.backoff import Backoff, wait
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.observing.logs import get_logger

LOOKS_EVERY = timedelta(seconds=0.5)
COUNTS_EVERY = timedelta(seconds=5)

log = get_logger(__name__)


class Waiting(Protocol):
    """Counts what waits."""

    async def waiting_spans(self) -> tuple[int, int, datetime | None]:
        """Return how many spans wait, how many were refused, and since when the oldest waits."""


async def work_off_backlog(
    open_tables: Callable[[], ReadModel], metrics: ProjectorMetrics, stopping: asyncio.Event
) -> None:
    """Work until `stopping` is set; an outage is waited for. `open_tables`: as they are called now."""
    worker, backoff, is_busy = _Worker(open_tables(), metrics), Backoff(), False
    while not stopping.is_set():
        try:
            has_worked = await worker.work()
        except ReadModelSwitched:
            worker = _Worker(open_tables(), metrics)
        except TransientFailure as failure:
            log.warning("the backlog waits for a dependency", detail=str(failure))
            await wait(backoff.next_delay(), stopping)
        else:
            backoff.reset()
            if is_busy != has_worked:
                is_busy = has_worked
                log.info("working the backlog off" if is_busy else "the backlog is worked off")
            if not is_busy:
                await wait(LOOKS_EVERY, stopping)


class _Worker:
    """Works on one set of tables; one person at a time finds out whose days cannot be computed."""

    def __init__(self, tables: ReadModel, metrics: ProjectorMetrics) -> None:
        self._tables = tables
        self._metrics = metrics
        self._people = PEOPLE_PER_PART
        self._tried: Sequence[StaleSpan] = ()

    async def work(self) -> bool:
        """Do one part; say whether there was anything to do."""
        self._tried = ()
        part = partial(work_off, people=self._people, trying=self._hear)
        try:
            done = await self._tables.in_transaction(part)
        except (PoisonRecord, RuleError) as error:
            if self._people == 1:
                await self._set_aside(str(error))
            self._people = PEOPLE_PER_PART if self._people == 1 else 1
            return True
        self._metrics.days.inc(done.day_count)
        self._metrics.backlog_days.inc(done.day_count)
        return not done.is_idle

    def _hear(self, spans: Sequence[StaleSpan]) -> None:
        self._tried = spans

    async def _set_aside(self, reason: str) -> None:
        # Those that failed: another projector can have set them aside meanwhile, and the next ones are sound.
        refusing = partial(set_aside, spans=self._tried, reason=reason)
        for each in await self._tables.in_transaction(refusing):
            self._metrics.backlog_refused.inc()
            # The reason can name people; it stays in the table.
            log.error(
                "days that wait cannot be computed and stay as they are; see stale_span.refused",
                org=each.person.org_id,
                number=each.number,
            )


async def watch_backlog(tables: Waiting, metrics: ProjectorMetrics, stopping: asyncio.Event) -> None:
    """Tell how many spans wait, until `stopping` is set."""
    while not stopping.is_set():
        with contextlib.suppress(TransientFailure):
            count, refused, _ = await tables.waiting_spans()
            metrics.backlog_spans.set(count - refused)
        await wait(COUNTS_EVERY, stopping)

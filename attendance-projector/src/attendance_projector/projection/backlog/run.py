"""Keep working the backlog off, beside the batches, until the service stops."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from attendance_projector.domain.facts import RuleError
from attendance_projector.errors import ReadModelSwitched
from attendance_projector.projection.backlog.work_off import PEOPLE_PER_PART, refuse_oldest, work_off
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
    tables, backoff, is_busy, people = open_tables(), Backoff(), False, PEOPLE_PER_PART
    while not stopping.is_set():
        try:
            done = await tables.in_transaction(partial(work_off, people=people))
        except ReadModelSwitched:
            tables = open_tables()
            continue
        except TransientFailure as failure:
            log.warning("the backlog waits for a dependency", detail=str(failure))
            await wait(backoff.next_delay(), stopping)
            continue
        except (PoisonRecord, RuleError) as error:
            if people == 1:
                await _refuse(tables, str(error), metrics)
            # One person at a time finds out whose days cannot be computed.
            people = 1
            continue
        backoff.reset()
        metrics.days.inc(done.day_count)
        metrics.backlog_days.inc(done.day_count)
        if is_busy != (not done.is_idle):
            is_busy = not done.is_idle
            log.info("working the backlog off" if is_busy else "the backlog is worked off")
        if done.is_idle:
            people = PEOPLE_PER_PART
            await wait(LOOKS_EVERY, stopping)


async def _refuse(tables: ReadModel, reason: str, metrics: ProjectorMetrics) -> None:
    for each in await tables.in_transaction(partial(refuse_oldest, reason=reason)):
        metrics.backlog_refused.inc()
        log.error(
            "days that wait cannot be computed and stay as they are; see stale_span.refused",
            org=each.person.org_id,
            number=each.number,
            reason=reason,
        )


async def watch_backlog(tables: Waiting, metrics: ProjectorMetrics, stopping: asyncio.Event) -> None:
    """Tell how many spans wait, until `stopping` is set."""
    while not stopping.is_set():
        with contextlib.suppress(TransientFailure):
            count, refused, _ = await tables.waiting_spans()
            metrics.backlog_spans.set(count - refused)
        await wait(COUNTS_EVERY, stopping)

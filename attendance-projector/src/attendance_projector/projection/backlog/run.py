"""Keep working the backlog off, beside the batches, until the service stops."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from attendance_projector.errors import ReadModelSwitched
from attendance_projector.projection.backlog.worker import BacklogWorker
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.ports import ReadModel
from service_kit.backoff import Backoff, wait
from service_kit.errors import TransientFailure
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
    worker, backoff, is_busy = BacklogWorker(open_tables(), metrics), Backoff(), False
    while not stopping.is_set():
        try:
            has_worked = await worker.work()
        except ReadModelSwitched:
            worker = BacklogWorker(open_tables(), metrics)
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


async def watch_backlog(tables: Waiting, metrics: ProjectorMetrics, stopping: asyncio.Event) -> None:
    """Tell how many spans wait, until `stopping` is set."""
    while not stopping.is_set():
        with contextlib.suppress(TransientFailure):
            count, refused, _ = await tables.waiting_spans()
            metrics.backlog_spans.set(count - refused)
        await wait(COUNTS_EVERY, stopping)

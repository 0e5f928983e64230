"""Keep who is in at hand, in the cache that query-api asks: from the change feed, by one projector at a time.

1. follow    the feed from its end
2. fill      a new generation of the cache from the read model, and only then call it whole
3. apply     what the feed tells, in its order
4. renew     the word that it is whole, while nothing is older than it may be

A change that was published before 1 is in the read model by 2; one that comes after is applied by 3, and if
2 had it already, again. Anything that fails, a cache that was emptied, and other tables in the place of the
read model lead back to 1. While nobody renews, the word runs out by itself and query-api asks the database.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from attendance_projector.feed_ports import ChangeTail, PresenceBoard, PresenceSource
from attendance_projector.metrics import PresenceMetrics
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import KEPT, OpenDay
from service_kit.backoff import Backoff, wait
from service_kit.errors import TransientFailure
from service_kit.logs import get_logger

RENEWS_EVERY = timedelta(seconds=2)
ASKS_TO_LEAD_EVERY = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=10)

log = get_logger(__name__)


OpenSource = Callable[[], AbstractAsyncContextManager[PresenceSource]]
OpenTail = Callable[[], AbstractAsyncContextManager[ChangeTail]]


async def keep_presence(
    open_source: OpenSource,
    open_tail: OpenTail,
    board: PresenceBoard,
    metrics: PresenceMetrics,
    stopping: asyncio.Event,
    *,
    now: Callable[[], datetime],
) -> None:
    """Keep presence whenever nobody else does, until `stopping` is set; an outage is waited for."""
    backoff = Backoff(maximum=LONGEST_WAIT)
    while not stopping.is_set():
        try:
            async with open_source() as source:
                while not await source.lead():
                    if await wait(ASKS_TO_LEAD_EVERY, stopping):
                        return
                async with open_tail() as tail:
                    metrics.keeping.set(1)
                    await _keep(source, tail, board, metrics, backoff, stopping, now)
        except TransientFailure as failure:
            log.warning("presence is not kept here now", reason=str(failure))
            await wait(backoff.next_delay(), stopping)
        finally:
            metrics.keeping.set(0)


async def _keep(
    source: PresenceSource,
    tail: ChangeTail,
    board: PresenceBoard,
    metrics: PresenceMetrics,
    backoff: Backoff,
    stopping: asyncio.Event,
    now: Callable[[], datetime],
) -> None:
    clock, renewed_at, is_filled = asyncio.get_running_loop().time, 0.0, False
    while not stopping.is_set():
        if not is_filled:
            renewed_at = clock()
            days = await source.open_days(now() - KEPT)
            await board.fill(days)
            is_filled = True
            metrics.fills.inc()
            backoff.reset()
            log.info("presence was filled from the read model", open_days=len(days))
        await _put(board, await tail.take(RENEWS_EVERY), now())
        if clock() - renewed_at < RENEWS_EVERY.total_seconds() or not await source.is_told():
            continue
        if (rest := await tail.take_all()) is not None:
            await _put(board, rest, now())
            is_filled = await board.renew()
            renewed_at = clock()


async def _put(board: PresenceBoard, changes: Sequence[AttendanceDayChanged], now: datetime) -> None:
    if changes:
        await board.put(*sorted_out(changes, now))


def sorted_out(
    changes: Sequence[AttendanceDayChanged], now: datetime
) -> tuple[list[OpenDay], list[AttendanceDayChanged]]:
    """Return the days that are open after these changes, and the last change of those that are not."""
    last = {(each.org_id, each.person_id, each.attendance_on, each.shift_id): each for each in changes}
    opened, closed = [], []
    for change in last.values():
        day = change.day
        if day is None or day.open_since is None or day.open_since <= now - KEPT:
            closed.append(change)
        else:
            opened.append(
                OpenDay(
                    change.org_id,
                    day.site_id,
                    change.person_id,
                    change.attendance_on,
                    change.shift_id,
                    day.open_since,
                )
            )
    return opened, closed

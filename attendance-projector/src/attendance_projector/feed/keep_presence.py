"""Keep who is in at hand, in the cache that query-api asks: from the change feed, by one projector at a time.

1. follow    the feed from its end
2. fill      a new generation of the cache from the read model, and only then call it whole
3. apply     what the feed tells, in its order
4. renew     the word that it is whole, while nothing is older than it may be and nothing of it was lost

A change that was published before 1 is in the read model by 2; one that comes after is applied by 3, and if
2 had it already, again. Anything that fails, and other tables in the place of the read model, lead back to 1;
a cache that has lost something leads to 2, and so does an hour: days that nobody closed are left out then.
While nobody renews, the word runs out by itself and query-api asks the database.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from attendance_projector.feed.metrics import PresenceMetrics
from attendance_projector.feed.ports import ChangeTail, PresenceBoard, PresenceSource
from attendance_projector.projection.stored import PersonKey
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import CACHED_FOR, OpenDay
from service_kit.backoff import Backoff, wait
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

RENEWS_EVERY = timedelta(seconds=2)
# Well before the board forgets a generation.
FILLS_EVERY = timedelta(hours=1)
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
                    await _Keeper(source, tail, board, metrics, now).keep(stopping, backoff)
        except TransientFailure as failure:
            log.warning("presence is not kept here now", dependency=failure.dependency, reason=failure.detail)
            await wait(backoff.next_delay(), stopping)
        finally:
            metrics.keeping.set(0)


class _Keeper:
    """One lead: from the lock to the first failure, or the end."""

    def __init__(
        self,
        source: PresenceSource,
        tail: ChangeTail,
        board: PresenceBoard,
        metrics: PresenceMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._tail = tail
        self._board = board
        self._metrics = metrics
        self._now = now
        # The newest revision that the cache has of each person: what is told again, or late, is nothing new.
        self._revisions: dict[PersonKey, int] = {}

    async def keep(self, stopping: asyncio.Event, backoff: Backoff) -> None:
        clock, renewed_at, is_filled = asyncio.get_running_loop().time, 0.0, False
        filled_at = 0.0
        while not stopping.is_set():
            if not is_filled or clock() - filled_at >= FILLS_EVERY.total_seconds():
                filled_at = renewed_at = clock()
                await self._fill()
                is_filled = True
                backoff.reset()
            await self._put(await self._tail.take(RENEWS_EVERY))
            if clock() - renewed_at < RENEWS_EVERY.total_seconds() or not await self._source.is_told():
                continue
            if (rest := await self._tail.take_all()) is not None:
                await self._put(rest)
                is_filled = await self._board.renew()
                renewed_at = clock()

    async def _fill(self) -> None:
        found = await self._source.open_days(self._now() - CACHED_FOR)
        await self._board.fill(found.days)
        self._revisions = dict(found.revisions)
        self._metrics.fills.inc()
        log.info("presence was filled from the read model", open_days=len(found.days))

    async def _put(self, changes: Sequence[AttendanceDayChanged]) -> None:
        news = []
        for change in changes:
            person = PersonKey(change.org_id, change.person_id)
            if change.revision > self._revisions.get(person, 0):
                self._revisions[person] = change.revision
                news.append(change)
        if news:
            await self._board.put(*sorted_out(news, self._now()))


def sorted_out(
    changes: Sequence[AttendanceDayChanged], now: datetime
) -> tuple[list[OpenDay], list[AttendanceDayChanged]]:
    """Return the days that are open after these changes, and the last change of those that are not."""
    last = {(each.org_id, each.person_id, each.attendance_on, each.shift_id): each for each in changes}
    opened, closed = [], []
    for change in last.values():
        day = change.day
        if day is None or day.open_since is None or day.open_since <= now - CACHED_FOR:
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

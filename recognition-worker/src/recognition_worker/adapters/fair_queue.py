"""What waits for its turn, by kind of work: a queue, and a bounded number of slots behind such a queue."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Generic, TypeVar

from recognition_worker.domain.fair_turns import FairTurns, Kind, Work

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class FairQueue(Generic[T]):
    """Gives out what waits by fair turns of the kinds; within a kind, in the order in which it came."""

    def __init__(self, *, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._turns = FairTurns()
        self._waiting: dict[Kind, deque[tuple[Work, float, T]]] = {}

    def put(self, work: Work, item: T, *, cost: float = 1.0) -> None:
        """Let something wait. cost: of its turn, in captures."""
        self._waiting.setdefault(work.kind, deque()).append((work, cost, item))

    def pop(self, among: Collection[Kind] = tuple(Kind)) -> T | None:
        """Return whose turn it is, among the kinds that are named; None when none of them waits."""
        now = self._now()
        waiting = {kind: now - items[0][0].since for kind, items in self._waiting.items() if items}
        if not waiting.keys() & set(among):
            return None
        kind = self._turns.next(waiting, among)
        _work, cost, item = self._waiting[kind].popleft()
        self._turns.took(kind, waiting, cost)
        return item

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return any(self._waiting.values())


class FairSlots:
    """So many may work at once; a slot that gets free goes to the kind whose turn it is."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()

    @asynccontextmanager
    async def slot(self, work: Work) -> AsyncIterator[None]:
        """Wait for a slot, and have it inside the block."""
        await self._take(work)
        try:
            yield
        finally:
            self._give()

    async def _take(self, work: Work) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(work, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give()  # it was given the slot and cannot use it any more
            raise

    def _give(self) -> None:
        while (turn := self._queue.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

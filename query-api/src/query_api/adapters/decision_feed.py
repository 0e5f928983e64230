"""Decisions in memory: those of the last moments, and the requests that wait for the next.

A kiosk asks for its result after its upload was accepted; the decision may be made in between. So decisions
are kept a little while, longer than the read model usually takes to know them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from attendance_schemas.events import MatchDecided
from query_api.metrics import QueryApiMetrics

RECENT_FOR = timedelta(minutes=2)
# About 1 KB each; a peak of 150 decisions per second for two minutes.
RECENT_COUNT = 20_000
# The organisation, and its id of the capture.
CaptureKey = tuple[str, UUID]


class QueueSubscription:
    """One waiting request's queue; None in it means that the service stops."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[MatchDecided | None] = asyncio.Queue()

    async def next_decision(self, timeout: float) -> MatchDecided | None:
        """Return the next decision, or None after `timeout` seconds or when the service stops."""
        if timeout <= 0:
            return None if self.queue.empty() else self.queue.get_nowait()
        try:
            async with asyncio.timeout(timeout):
                return await self.queue.get()
        except TimeoutError:
            return None


class InMemoryDecisionFeed:
    """Hands decisions to the requests that wait for them. `monotonic` in seconds."""

    def __init__(
        self,
        metrics: QueryApiMetrics,
        *,
        monotonic: Callable[[], float],
        recent_for: timedelta = RECENT_FOR,
        recent_count: int = RECENT_COUNT,
    ) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._recent_for = recent_for.total_seconds()
        self._recent_count = recent_count
        self._recent: OrderedDict[CaptureKey, tuple[float, MatchDecided]] = OrderedDict()
        self._waiting: dict[CaptureKey, set[QueueSubscription]] = {}
        self.stopping = False

    def publish(self, event: MatchDecided) -> None:
        """Keep a decision and wake the requests that wait for it.

        One that does not supersede is dropped: an earlier round, or the same one decided again.
        """
        self._metrics.decisions.inc()
        key = event.org_id, event.capture_id
        known = self._recent.get(key)
        if known is not None and known[1].decision_round >= event.decision_round:
            return
        self._recent[key] = (self._monotonic(), event)
        self._recent.move_to_end(key)
        self._forget()
        for subscription in self._waiting.get(key, ()):
            subscription.queue.put_nowait(event)

    @contextmanager
    def subscribe(self, org_id: str, capture_id: UUID) -> Iterator[QueueSubscription]:
        """Give a subscription to the decisions on a capture; one made moments ago comes first."""
        key, subscription = (org_id, capture_id), QueueSubscription()
        self._forget()
        if (known := self._recent.get(key)) is not None:
            subscription.queue.put_nowait(known[1])
        self._waiting.setdefault(key, set()).add(subscription)
        try:
            with self._metrics.waiting.track_inprogress():
                yield subscription
        finally:
            self._waiting[key].discard(subscription)
            if not self._waiting[key]:
                del self._waiting[key]

    def stop(self) -> None:
        """Wake every waiting request, so that the service can end without making anyone wait."""
        self.stopping = True
        for subscriptions in self._waiting.values():
            for subscription in subscriptions:
                subscription.queue.put_nowait(None)

    def _forget(self) -> None:
        oldest_kept = self._monotonic() - self._recent_for
        while self._recent:
            _, (at, _) = next(iter(self._recent.items()))
            if at >= oldest_kept and len(self._recent) <= self._recent_count:
                return
            self._recent.popitem(last=False)

"""What a worker has taken from the log and not done yet, by kind: since when, and how much it has done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.metrics import RecognitionMetrics


class Held:
    """One record in hand. `work` may become another one when the record turns out to be of another kind."""

    def __init__(self, work: Work) -> None:
        self.work = work


class WorkInHand:
    """Shows, for each kind of work, how long the oldest record waits, and how many were done."""

    def __init__(self, metrics: RecognitionMetrics, *, now: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._now = now
        self._held: set[Held] = set()
        for kind in Kind:
            metrics.work_oldest_seconds.labels(kind.value).set_function(partial(self._oldest_seconds, kind))
            metrics.work_done.labels(kind.value)

    @contextmanager
    def holding(self, work: Work) -> Iterator[Held]:
        """Have a record in hand inside the block; it is done when the block ends without an error."""
        held = Held(work)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)
        self._metrics.work_done.labels(held.work.kind.value).inc()

    def _oldest_seconds(self, kind: Kind) -> float:
        now = self._now()
        ages = [(now - held.work.since).total_seconds() for held in self._held if held.work.kind is kind]
        return max(ages, default=0.0)

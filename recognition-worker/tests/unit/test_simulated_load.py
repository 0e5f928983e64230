"""A backlog beside live captures, through batches, by a simulated clock: as long for each capture."""

import random
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from recognition_worker.adapters.fair_queue import FairQueue
from recognition_worker.domain.fair_turns import Kind, Work

BEGIN = datetime(2026, 7, 1, tzinfo=UTC)
EACH, BATCH, TAKEN = 1 / 80, 16, 64
BATCH_SECONDS = BATCH * EACH


@dataclass
class Capture:
    kind: Kind
    came: float


class Simulated:
    """One worker; `waits`: the seconds that each live capture waited for its batch to begin."""

    def __init__(self, load: float, backlog: int) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        queue: FairQueue[Capture] = FairQueue(now=lambda: BEGIN + timedelta(seconds=self.now))
        instants, left, taken = random.Random(3), backlog, 0
        coming = instants.expovariate(load / EACH)
        while left or taken:
            for _ in range(min(left, TAKEN - taken)):
                queue.put(Work(Kind.BACKLOG, BEGIN), Capture(Kind.BACKLOG, self.now))
                left, taken = left - 1, taken + 1
            while coming <= self.now:
                queue.put(Work(Kind.LIVE, BEGIN + timedelta(seconds=coming)), Capture(Kind.LIVE, coming))
                coming += instants.expovariate(load / EACH)
            batch = [capture for _ in range(BATCH) if (capture := queue.pop()) is not None]
            live = [capture for capture in batch if capture.kind is Kind.LIVE]
            self.waits += [self.now - capture.came for capture in live]
            taken -= len(batch) - len(live)
            self.now += EACH * len(batch)


@pytest.mark.parametrize(("load", "longest"), [(0.2, 1.0), (0.9, 2.0), (0.99, None), (1.2, None)])
def test_the_backlog_gets_its_share_and_live_captures_wait_for_little_more_than_a_batch(
    load: float, longest: float | None
) -> None:
    backlog = 2_000
    found = Simulated(load, backlog)
    assert backlog / (backlog + len(found.waits)) >= 0.09
    if longest is not None:
        assert statistics.quantiles(found.waits, n=100)[-1] <= longest * BATCH_SECONDS

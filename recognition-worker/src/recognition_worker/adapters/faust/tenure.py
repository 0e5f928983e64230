"""What one worker took and finished between an assignment of partitions and their revocation.

Faust counts acknowledgements from wherever it last looked, and forgets what it read when it should not; the
losses that decision 0001 measured come from there. Here the bookkeeping is one object per assignment, so that
what belongs to an earlier one can neither advance nor hold up the present one. Pure bookkeeping: no Faust, no
Kafka.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of one topic; equal to a plain tuple, and so to Faust's and aiokafka's."""

    topic: str
    partition: int


class PartitionProgress:
    """The records taken from one partition, in the order read.

    Gaps between offsets are no records and are no matter.
    """

    def __init__(self) -> None:
        self._finished: dict[int, bool] = {}  # by offset, in the order taken, from the first not done
        self._last_taken = -1
        self._next_offset: int | None = None

    def take(self, offset: int) -> None:
        """Note that a record was read; reading an earlier offset again starts over from there."""
        if offset <= self._last_taken:
            self._finished = {taken: done for taken, done in self._finished.items() if taken < offset}
        self._finished[offset] = False
        self._last_taken = offset

    def finish(self, offset: int) -> None:
        """Note that a record is done; one that was not taken is no matter."""
        if offset not in self._finished:
            return
        self._finished[offset] = True
        while self._finished and self._finished[first := next(iter(self._finished))]:
            del self._finished[first]
            self._next_offset = first + 1

    @property
    def unfinished_count(self) -> int:
        """Count the records that were taken and are not done."""
        return sum(not done for done in self._finished.values())

    @property
    def uncommittable_count(self) -> int:
        """Count the first record that is not done and all that were taken after it."""
        return len(self._finished)

    @property
    def next_offset(self) -> int | None:
        """Return the offset to commit: after what is done without a gap; None while nothing is."""
        return self._next_offset


class Tenure:
    """One assignment's time. `ended` is set when its partitions are being taken away, or the worker stops."""

    def __init__(self, partitions: Iterable[tuple[str, int]] = ()) -> None:
        self.ended = asyncio.Event()
        self._progress = {Partition(*partition): PartitionProgress() for partition in partitions}
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Name the partitions that are held."""
        return tuple(self._progress)

    def take(self, topic: str, partition: int, offset: int) -> None:
        """Note that a record was read."""
        self._progress.setdefault(Partition(topic, partition), PartitionProgress()).take(offset)

    def finish(self, topic: str, partition: int, offset: int) -> None:
        """Note that a record is done."""
        self._progress[Partition(topic, partition)].finish(offset)

    def next_offset(self, topic: str, partition: int) -> int | None:
        """Return what may be committed for a partition; None when nothing is done yet."""
        progress = self._progress.get(Partition(topic, partition))
        return progress.next_offset if progress else None

    def uncommittable_count(self, topic: str, partition: int) -> int:
        """Count a partition's records that an unfinished one keeps from being committed, itself included."""
        progress = self._progress.get(Partition(topic, partition))
        return progress.uncommittable_count if progress else 0

    def unfinished_count(self, topic: str) -> int:
        """Count a topic's records that were taken and are not done."""
        return sum(p.unfinished_count for tp, p in self._progress.items() if tp.topic == topic)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold up `idle` while a block works on records."""
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def idle(self, limit: timedelta) -> bool:
        """Wait until nothing is being worked on; False when that takes longer than `limit`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds()):
                await self._idle.wait()
        return self._idle.is_set()


def ended_tenure() -> Tenure:
    """Return what stands between two tenures: nothing is held, nothing can be committed."""
    tenure = Tenure()
    tenure.ended.set()
    return tenure

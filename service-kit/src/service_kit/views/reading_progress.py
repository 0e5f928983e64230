"""How far a view has come that reads its topic for the first time: said now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from service_kit.observing.logs import get_logger

log = get_logger(__name__)

_SAY_EVERY_SECONDS = 5.0


class ReadingProgress:
    """Of offsets, some of which hold no record any more: what is told to be left is at most that much."""

    def __init__(self, topic: str, extent: Mapping[int, range], clock: Callable[[], float]) -> None:
        self._topic = topic
        self._extent = extent
        self._clock = clock
        self._began_at = self._moved_at = self._said_at = clock()
        self._read = 0

    @property
    def ends(self) -> Mapping[int, int]:
        """The next offset of each partition when all is read."""
        return {partition: offsets.stop for partition, offsets in self._extent.items()}

    @property
    def total(self) -> int:
        """How many offsets there are to read."""
        return sum(map(len, self._extent.values()))

    def left(self, next_offsets: Mapping[int, int]) -> int:
        """Return how many of them are not read yet."""
        return sum(
            max(offsets.stop - max(next_offsets.get(partition, 0), offsets.start), 0)
            for partition, offsets in self._extent.items()
        )

    def note(self, next_offsets: Mapping[int, int]) -> timedelta:
        """Say how far it is, every few seconds; return for how long nothing has moved."""
        now, left = self._clock(), self.left(next_offsets)
        read = self.total - left
        if read > self._read:
            self._read, self._moved_at = read, now
        if now - self._said_at >= _SAY_EVERY_SECONDS:
            self._said_at = now
            rate = read / (now - self._began_at)
            log.info(
                "a view is being read",
                topic=self._topic,
                records=read,
                of=self.total,
                per_second=round(rate),
                seconds_left=round(left / rate) if rate else None,
            )
        return timedelta(seconds=now - self._moved_at)

"""Records as they travel: payload and position together, so that nobody writes `offset + 1`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]


class TopicPartition(NamedTuple):
    """One partition of one topic; equal to a plain tuple of the same two values."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where a consumer goes on: everything before `next_offset` in this partition is done."""

    topic: str
    partition: int
    next_offset: int

    @property
    def topic_partition(self) -> TopicPartition:
        """Name the partition that this is a position in."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read: undecoded bytes. `timestamp` is the broker's, aware UTC.

    `read_from`: where this consumer stood when it read on and found the record: everything before it was
    given out earlier. None: not known. It is the offset itself, unless compaction or transactions left a gap.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: datetime
    read_from: int | None = None

    @property
    def topic_partition(self) -> TopicPartition:
        """Name the partition that this record is in."""
        return TopicPartition(self.topic, self.partition)

    @property
    def committable(self) -> Position:
        """Give the position to commit when this record and all before it are done."""
        return Position(self.topic, self.partition, self.offset + 1)

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to publish. A value of None is a tombstone and needs a key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

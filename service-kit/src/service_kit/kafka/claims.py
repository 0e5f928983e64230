"""What a consumer may rely on, by partition: where it reads on, and what it was told is done, or did itself.

An application that keeps positions itself can compare: when its store says less than was done, the store was
set back, as by the promotion of a standby that lagged. When the log ends before what was done, the log was;
when it begins after what comes next, records were deleted unread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from service_kit.errors import LogLost
from service_kit.kafka.records import Position, Record, TopicPartition

DECIDE = (
    "Nothing is consumed until somebody decides: bring the log back, or accept the loss, as "
    "docs/operations/failover.md describes"
)
ADVICE = f"Kafka has lost records, or the topic was made again. {DECIDE}"


class Claims:
    """Of the partitions that are assigned now; empty between assignments."""

    def __init__(self) -> None:
        self._read_from: dict[TopicPartition, int] = {}
        self._done: dict[TopicPartition, int] = {}
        self._ended_short: set[TopicPartition] = set()

    @property
    def done(self) -> Mapping[TopicPartition, int]:
        """Next offsets that were told at the assignment, and those done since; a copy."""
        return dict(self._done)

    def clear(self) -> None:
        """Forget all: the partitions are somebody else's."""
        self._read_from.clear()
        self._done.clear()
        self._ended_short.clear()

    def begin(self, partition: TopicPartition, told: int | None) -> None:
        """Begin at what was told; None: never consumed, so that whatever the log still has is new."""
        self._read_from[partition] = told or 0
        if told is not None:
            self._done[partition] = told

    def read(
        self, partition: TopicPartition, raws: Iterable[Any], make: Callable[[Any, int], Record]
    ) -> tuple[Record, ...]:
        """Make records that know where they were read from; raise LogLost when the log begins anew."""
        read_from, records = self._read_from[partition], []
        for raw in raws:
            record = make(raw, read_from)
            if record.offset < read_from:
                raise LogLost(f"{record} came where {read_from} or later was to come: {ADVICE}")
            records.append(record)
            read_from = record.committable.next_offset
        self._read_from[partition] = read_from
        return tuple(records)

    def note_done(self, positions: Sequence[Position]) -> None:
        """Note what is done."""
        self._done |= {each.topic_partition: each.next_offset for each in positions}

    def check_beginnings(self, firsts: Mapping[TopicPartition, int]) -> None:
        """Raise LogLost when a log begins after what comes next, of partitions that were consumed before."""
        lost = {each: firsts[each] - done for each, done in self._done.items() if done < firsts.get(each, 0)}
        for partition, count in sorted(lost.items()):
            others = f", and {sum(lost.values()) - count} of other partitions" if len(lost) > 1 else ""
            raise LogLost(
                f"{partition.topic}[{partition.partition}] begins at {firsts[partition]}, and "
                f"{self._done[partition]} comes next: {count} records were deleted before they were "
                f"consumed{others}. {DECIDE}"
            )

    def check_ends(
        self,
        done: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        *,
        is_start: bool = False,
    ) -> None:
        """Raise LogLost when a log ends before what was done when it was asked for its end.

        While running only when it does so twice: a leader that was just elected may not know its end yet.
        """
        short = {each for each, end in ends.items() if end < done.get(each, 0)}
        certain = short if is_start else short & self._ended_short
        self._ended_short = short
        for partition in sorted(certain):
            raise LogLost(
                f"{partition.topic}[{partition.partition}] ends at {ends[partition]}, and everything before "
                f"{done[partition]} was consumed: {ADVICE}"
            )

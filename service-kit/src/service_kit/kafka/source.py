"""Where the delivery loop takes its records from: a port, filled by `RecordSource` and by tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from service_kit.kafka.records import Position, Record, TopicPartition

BeforeRevoke = Callable[[], Awaitable[None]]

Positions = Callable[[Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Given the assigned partitions, the next offset of each; those left out start at the beginning."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in offset order, and the assignment they were fetched under."""

    topic_partition: TopicPartition
    generation: int
    records: tuple[Record, ...]


class Source(Protocol):
    """Where the delivery loop takes records from; `RecordSource` is one, a test's fake broker another."""

    @property
    def generation(self) -> int:
        """Count of assignments so far; work of an earlier one is no longer ours."""

    @property
    def may_run_ahead(self) -> bool:
        """Whether a record may be handled before an earlier one; not when the application keeps positions."""

    def before_revoke(self, callback: BeforeRevoke) -> None:
        """Call back when partitions are about to be taken away, so that what is done gets committed."""

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep the assignment as it is inside the block: a rebalance waits."""

    async def fetch(self, timeout: timedelta) -> Sequence[Batch]:
        """Give what is there, or nothing after `timeout`; raise TransientFailure when the broker is away."""

    def pause(self, partition: TopicPartition) -> None:
        """Stop fetching a partition while staying its owner."""

    def resume(self, partition: TopicPartition) -> None:
        """Fetch a partition again."""

    async def commit(self, positions: Sequence[Position]) -> None:
        """Commit; positions of partitions that are no longer ours are left alone."""

    def lag(self) -> Mapping[TopicPartition, int]:
        """Tell, for each assigned partition, how many records are not done."""

    async def stop(self) -> None:
        """Leave the group and close."""

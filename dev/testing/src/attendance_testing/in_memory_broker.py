"""A broker in memory: topics, groups with rebalances, outages; real Kafka passes the same suite.

It keeps the promises that the delivery loop builds on (order in a partition, committed positions, one owner
per partition) and none of the timing.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from service_kit.errors import TransientFailure
from service_kit.kafka.records import OutgoingRecord, Position, Record, TopicPartition
from service_kit.kafka.source import Batch, BeforeRevoke, Positions

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeBroker:
    """Topics in memory. While `away` is true, everything raises TransientFailure("kafka")."""

    def __init__(self) -> None:
        self.away = False
        self.logs: dict[TopicPartition, list[Record]] = {}
        self.committed: dict[str, dict[TopicPartition, int]] = {}
        self._groups: dict[str, list[FakeSource]] = {}
        self._arrived = asyncio.Condition()

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create an empty topic."""
        for number in range(partitions):
            self.logs[TopicPartition(topic, number)] = []

    def records(self, topic: str) -> list[Record]:
        """Give all records of a topic, partition by partition."""
        return [record for tp in self.partitions([topic]) for record in self.logs[tp]]

    def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """Give the partitions of some topics."""
        return sorted(tp for tp in self.logs if tp.topic in topics)

    async def append(self, record: OutgoingRecord, partition: int | None = None) -> Position:
        """Append to a partition, by default the key's; topics are created on first use."""
        self.check()
        if not self.partitions([record.topic]):
            self.create_topic(record.topic)
        count = len(self.partitions([record.topic]))
        number = zlib.crc32(record.key or b"") % count if partition is None else partition
        log = self.logs[TopicPartition(record.topic, number)]
        log.append(Record(record.topic, number, len(log), record.key, record.value, record.headers, _EPOCH))
        async with self._arrived:
            self._arrived.notify_all()
        return log[-1].committable

    def check(self) -> None:
        """Raise TransientFailure while the broker is away."""
        if self.away:
            raise TransientFailure("kafka", "the fake broker is away")

    async def wait_for_records(self, timeout: timedelta) -> None:
        """Wait until something is appended, or the timeout."""
        try:
            async with asyncio.timeout(timeout.total_seconds()), self._arrived:
                await self._arrived.wait()
        except TimeoutError:
            return

    async def join(self, group: str, member: FakeSource) -> None:
        """Add a member and share the partitions out anew."""
        await self._rebalance(group, [*self._groups.get(group, []), member])

    async def leave(self, group: str, member: FakeSource) -> None:
        """Remove a member and share the partitions out anew."""
        if member in self._groups.get(group, []):
            await self._rebalance(group, [other for other in self._groups[group] if other is not member])

    async def _rebalance(self, group: str, members: list[FakeSource]) -> None:
        for member in self._groups.get(group, []):
            await member.revoke()
        self._groups[group] = members
        for index, member in enumerate(members):
            mine = self.partitions(member.topics)[index :: len(members)]
            member.assign(mine)


class FakeProducer:
    """Publishes to a fake broker; in place of `RecordProducer`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def send(self, record: OutgoingRecord) -> Position:
        """Append the record."""
        return await self._broker.append(record)


class FakeSource:
    """A group member of a fake broker; in place of `RecordSource`."""

    def __init__(
        self,
        broker: FakeBroker,
        topics: Sequence[str],
        group: str,
        *,
        positions: Positions | None = None,
        max_records: int = 500,
    ) -> None:
        self.topics = tuple(topics)
        self.paused: set[TopicPartition] = set()
        self._broker = broker
        self._group = group
        self._positions = positions
        self._max_records = max_records
        self._generation = 0
        self._hold = asyncio.Lock()
        self._unplaced: list[TopicPartition] = []
        self._next: dict[TopicPartition, int] = {}
        self._done: dict[TopicPartition, int] = {}
        self._before_revoke: BeforeRevoke | None = None
        self._joined = False

    @property
    def generation(self) -> int:
        """Count of assignments so far."""
        return self._generation

    @property
    def may_run_ahead(self) -> bool:
        """Whether a record may be handled before an earlier one of its partition."""
        return self._positions is None

    def before_revoke(self, callback: BeforeRevoke) -> None:
        """Call back when partitions are about to be taken away."""
        self._before_revoke = callback

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Keep the assignment as it is inside the block."""
        async with self._hold:
            yield

    async def revoke(self) -> None:
        """Take all partitions away."""
        async with self._hold:
            if self._before_revoke is not None:
                await self._before_revoke()
            self.assign([])

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Give partitions, whose positions are sought before anything is read."""
        self._generation += 1
        self._next.clear()
        self._done.clear()
        self.paused.clear()
        self._unplaced = list(partitions)

    async def fetch(self, timeout: timedelta) -> Sequence[Batch]:
        """Give what is there, or nothing after `timeout`."""
        self._broker.check()
        if not self._joined:
            self._joined = True
            await self._broker.join(self._group, self)
        await self._place()
        batches = self._read()
        if not batches:
            await self._broker.wait_for_records(timeout)
        return batches or self._read()

    def pause(self, partition: TopicPartition) -> None:
        """Stop fetching a partition while staying its owner."""
        self.paused.add(partition)

    def resume(self, partition: TopicPartition) -> None:
        """Fetch a partition again."""
        self.paused.discard(partition)

    async def commit(self, positions: Sequence[Position]) -> None:
        """Commit the positions of partitions that are still ours."""
        self._broker.check()
        ours = {p.topic_partition: p.next_offset for p in positions if p.topic_partition in self._next}
        self._done.update(ours)
        self._broker.committed.setdefault(self._group, {}).update(ours)

    def lag(self) -> Mapping[TopicPartition, int]:
        """Tell, for each assigned partition, how many records are not done."""
        return {tp: len(self._broker.logs[tp]) - offset for tp, offset in self._done.items()}

    async def stop(self) -> None:
        """Leave the group."""
        self._joined = False
        self.assign([])
        await self._broker.leave(self._group, self)

    async def _place(self) -> None:
        async with self._hold:
            if not self._unplaced:
                return
            committed = self._broker.committed.get(self._group, {})
            known = committed if self._positions is None else await self._positions(self._unplaced)
            for tp in self._unplaced:
                self._next[tp] = self._done[tp] = known.get(tp, 0)
            self._unplaced = []

    def _read(self) -> list[Batch]:
        batches = []
        left = self._max_records
        for tp in sorted(self._next.keys() - self.paused):
            start = self._next[tp]
            records = tuple(self._broker.logs[tp][start : start + left])
            if records:
                batches.append(Batch(tp, self._generation, records))
                self._next[tp] += len(records)
                left -= len(records)
            if left <= 0:
                break
        return batches

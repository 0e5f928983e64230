"""Apply a part of the log to tables that nobody reads yet: no dead letters, no other effect outside them.

What the live service put into the dead letters is passed over here, counted, and left where it is.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from attendance_projector.projection.apply_batch import check_reached
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.backlog.worker import BacklogWorker
from attendance_projector.projection.ports import Transaction
from attendance_projector.rebuild.ports import NextTables
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.observing.logs import get_logger

log = get_logger(__name__)
Chunks = AsyncGenerator[tuple[Sequence[Record], Sequence[Position]], None]
# Yields the records between positions and targets, with the partitions that are complete after them.
ReadLog = Callable[[Mapping[TopicPartition, int], Mapping[TopicPartition, int]], Chunks]


class LoadLog:
    """Applies the log to the next tables; `progressed` hears how many records are done."""

    def __init__(
        self,
        applying: ApplyRecords,
        tables: NextTables,
        read_log: ReadLog,
        progressed: Callable[[int], None],
        backlog: BacklogWorker,
    ) -> None:
        self._applying = applying
        self._tables = tables
        self._read_log = read_log
        self._progressed = progressed
        self._backlog = backlog
        self.passed_over = 0

    async def load(self, targets: Mapping[TopicPartition, int]) -> None:
        """Go on to these next offsets, each chunk in one transaction; move what is complete to its target."""
        reached = dict(await self._tables.positions(list(targets)))
        chunks = self._read_log(dict(reached), targets)
        async with aclosing(chunks):
            async for records, complete in chunks:
                await self._apply(list(records))
                reached |= {each.topic_partition: each.committable.next_offset for each in records}
                if complete:
                    await self._tables.in_transaction(partial(_move, complete, reached))
                self._progressed(len(records))

    async def work_off(self) -> bool:
        """Compute the days that wait, since a fact was about many of them; say whether there were any."""
        has_worked = False
        while await self._backlog.work():
            has_worked = True
        return has_worked

    async def _apply(self, records: list[Record]) -> None:
        poison: list[Record] = []
        while records:
            try:
                await self._applying.apply(records)
                break
            except PoisonRecord as refused:
                if refused.record is None:
                    poison += await self._one_by_one(records)
                    break
                poison.append(refused.record)
                records.remove(refused.record)
        for record in poison:
            self.passed_over += 1
            log.warning("passed over a record that can never be applied", record=str(record))
            await self._applying.pass_over(record)

    async def _one_by_one(self, records: Sequence[Record]) -> list[Record]:
        refused = []
        for record in records:
            try:
                await self._applying.apply([record])
            except PoisonRecord:
                refused.append(record)
        return refused


async def _move(
    positions: Sequence[Position], reached: Mapping[TopicPartition, int], transaction: Transaction
) -> None:
    """Move positions to their targets, past what compaction took at the end."""
    stored = await transaction.positions.lock([each.topic_partition for each in positions])
    for partition, next_offset in stored.items():
        check_reached(partition, next_offset, reached.get(partition, 0))
    await transaction.positions.move(positions)

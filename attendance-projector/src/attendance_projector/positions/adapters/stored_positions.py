"""The positions that the read model stores, and how a loss is accepted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg

from attendance_projector.errors import PositionsRefused
from attendance_projector.positions.compare_positions import ComparedPosition, State
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import check_migrated
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.schema import SCHEMA
from attendance_projector.store.sql import statements
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity

SQL = statements("positions")


class StoredPositions:
    """Positions over one connection; use `open_stored_positions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self) -> Mapping[TopicPartition, int]:
        """Return the next offset of every partition that was consumed."""
        rows = await self._connection.fetch(SQL["read_all"])
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def topics(self) -> Mapping[str, TopicIdentity]:
        """Return what the consumed topics were."""
        rows = await self._connection.fetch(SQL["read_topics"])
        return {row["topic"]: TopicIdentity(row["cluster_id"], row["topic_id"]) for row in rows}

    async def accept(self, lost: Sequence[ComparedPosition]) -> None:
        """Let the log as it is count, for these partitions.

        Raises PositionsRefused when a position is not the one that was compared: a projector runs.
        """
        async with self._connection.transaction():
            await self._connection.execute(SQL["share_switch"])
            topics, partitions = (
                [each.partition.topic for each in lost],
                [each.partition.partition for each in lost],
            )
            rows = await self._connection.fetch(SQL["lock"], topics, partitions)
            found = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            for each in lost:
                if found.get(each.partition) != each.next_offset:
                    raise PositionsRefused(
                        f"{each.name} moved from {each.next_offset} meanwhile: stop every projector, "
                        "then ask again"
                    )
                if each.goes_on_at is None:
                    await self._connection.execute(SQL["forget"], *each.partition)
                else:
                    await self._connection.execute(SQL["set"], *each.partition, each.goes_on_at)
            others = {each.partition.topic for each in lost if each.state in {State.MADE_AGAIN, State.GONE}}
            await self._connection.execute(SQL["forget_topics"], sorted(others))


@asynccontextmanager
async def open_stored_positions(url: str) -> AsyncIterator[StoredPositions]:
    """Connect to the live tables. Raises ReadModelOutdated, TransientFailure."""
    with naming_outages():
        connection = await asyncpg.connect(url, server_settings={"search_path": SCHEMA})
        try:
            await check_migrated(connection)
            yield StoredPositions(connection)
        finally:
            await connection.close()

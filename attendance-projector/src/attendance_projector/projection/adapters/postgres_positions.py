"""Consumed positions and locks in PostgreSQL."""

import zlib
from collections.abc import Collection, Iterable, Mapping

import asyncpg

from attendance_projector.projection.stored import FactKey, PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from service_kit.kafka.records import Position, TopicPartition

SQL = statements("positions")
# One lock for each capture or person would fill the server's table.
GROUPS_OF_CAPTURES = 256
GROUPS_OF_PEOPLE = 1024


class PostgresPositions:
    """`Positions` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Of the directory, once this transaction keeps it from changing; None when it changes it itself.
        self.directory_version: int | None = None
        self._changes_directory = False

    async def lock(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lock the positions of these partitions and return their next offsets; 0 when never consumed."""
        wanted = list(partitions)
        asked = _columns(wanted)
        found = _positions(await self._connection.fetch(SQL["lock"], *asked))
        if len(found) < len(set(wanted)):
            await self._connection.execute(SQL["add_missing"], *asked)
            found = _positions(await self._connection.fetch(SQL["lock"], *asked))
        return found

    async def move(self, positions: Iterable[Position]) -> None:
        """Move positions forward; never backward."""
        moved = list(positions)
        columns = _columns([position.topic_partition for position in moved])
        await self._connection.execute(SQL["move"], *columns, [position.next_offset for position in moved])

    async def lock_everyone(self, *, changes_directory: bool) -> None:
        """Wait for all who compute days; they wait for this transaction.

        When it changes the directory, nobody goes by what they remember of it any more.
        """
        await self._connection.execute(SQL["lock_everyone"])
        if changes_directory:
            await self._connection.execute(SQL["directory_changes"])
            self._changes_directory = True
            self.directory_version = None

    async def join_everyone(self) -> None:
        """Compute days only while nobody has locked everyone; comes before the other locks."""
        await self._connection.execute(SQL["share_everyone"])

    async def lock_captures(self, judged: Iterable[FactKey], reviewed: Iterable[FactKey]) -> None:
        """Let nobody review the captures judged here, nor judge those reviewed here, until the end."""
        alone = {_group(each, GROUPS_OF_CAPTURES) for each in reviewed}
        numbers = sorted({_group(each, GROUPS_OF_CAPTURES) for each in judged} | alone)
        if numbers:
            await self._connection.execute(
                SQL["lock_captures"], numbers, [number in alone for number in numbers]
            )

    async def lock_people(self, people: Iterable[PersonKey]) -> None:
        """Wait for those who compute days of these people; they wait for this transaction."""
        numbers = sorted({_group(each, GROUPS_OF_PEOPLE) for each in people})
        version = await self._connection.fetchval(SQL["lock_people"], numbers)
        # What a transaction changed and may yet undo must not be remembered.
        self.directory_version = None if self._changes_directory else version


async def read_positions(
    connection: Connection, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Return the next offsets of those of the partitions that were consumed."""
    return _positions(await connection.fetch(SQL["read"], *_columns(partitions)))


def _columns(partitions: Collection[TopicPartition]) -> tuple[list[str], list[int]]:
    return [each.topic for each in partitions], [each.partition for each in partitions]


def _positions(rows: Iterable[asyncpg.Record]) -> dict[TopicPartition, int]:
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


def _group(key: FactKey | PersonKey, count: int) -> int:
    org_id, own_id = key
    return zlib.crc32(f"{org_id}:{own_id}".encode()) % count

"""Consumed positions and locks in PostgreSQL."""

import zlib
from collections.abc import Collection, Iterable, Mapping

import asyncpg

from attendance_projector.errors import TopicReplaced
from attendance_projector.projection.stored import FactKey, PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from service_kit.kafka.records import Position, TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity

SQL = statements("positions")
# One lock for each capture, person or organisation would fill the server's table.
GROUPS_OF_CAPTURES = 256
GROUPS_OF_PEOPLE = 1024
GROUPS_OF_ORGANISATIONS = 256
EVERYONE = 0


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

    async def lock_everyone(self) -> None:
        """Wait for all who compute days; they wait for this transaction."""
        await self._connection.execute(SQL["lock_everyone"])

    async def join_everyone(self, org_ids: Collection[str], *, alone: Collection[str] = ()) -> None:
        """Compute days of these organisations only while nobody has locked them, or everyone."""
        locked = {_organisation(each) for each in alone}
        numbers = [EVERYONE, *sorted({_organisation(each) for each in org_ids} | locked)]
        await self._connection.execute(SQL["join_everyone"], numbers, [each in locked for each in numbers])

    async def change_directory(self) -> None:
        """Let nobody go by what they remember of the directory. The organisations concerned are locked."""
        await self._connection.execute(SQL["directory_changes"])
        self._changes_directory = True
        self.directory_version = None

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


async def check_topics(connection: Connection, topics: Mapping[str, TopicIdentity]) -> None:
    """Remember what topics are. Raises TopicReplaced for one that was another when it was consumed."""
    asked = (
        list(topics),
        [each.cluster_id for each in topics.values()],
        [each.topic_id for each in topics.values()],
    )
    if others := await connection.fetch(SQL["other_topics"], *asked):
        names = ", ".join(f"{row['topic']} (was {_consumed(row)}, is {_asked(row)})" for row in others)
        raise TopicReplaced(
            f"made again under the same name, or of another cluster: {names}. The positions say nothing "
            "about these topics, and new records would be taken for old ones. docs/operations/failover.md "
            "says how to let them count"
        )
    await connection.execute(SQL["remember_topics"], *asked)


def _consumed(row: asyncpg.Record) -> str:
    return f"{row['consumed_id']} of cluster {row['consumed_cluster_id']}"


def _asked(row: asyncpg.Record) -> str:
    return f"{row['topic_id']} of cluster {row['cluster_id']}"


def _columns(partitions: Collection[TopicPartition]) -> tuple[list[str], list[int]]:
    return [each.topic for each in partitions], [each.partition for each in partitions]


def _positions(rows: Iterable[asyncpg.Record]) -> dict[TopicPartition, int]:
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


def _group(key: FactKey | PersonKey, count: int) -> int:
    org_id, own_id = key
    return _number(f"{org_id}:{own_id}", count)


def _organisation(org_id: str) -> int:
    return 1 + _number(org_id, GROUPS_OF_ORGANISATIONS)


def _number(name: str, count: int) -> int:
    return zlib.crc32(name.encode()) % count

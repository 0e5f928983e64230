"""Fates in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attendance_projector.projection.adapters.columns import as_row, side_by_side
from attendance_projector.projection.fates.stored import (
    AwaitedFact,
    DeadFact,
    ErasedPerson,
    Erasure,
    FateKey,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements

SQL = statements("fates")


class PostgresFates:
    """`Fates` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def settle(self, keys: Collection[FateKey]) -> None:
        """Nothing is awaited of these any more."""
        await self._connection.execute(SQL["settle"], *side_by_side(keys))

    async def expect(self, awaited: Sequence[AwaitedFact]) -> None:
        """Await the decisions on these, unless they are there already."""
        await self._store("expect", AwaitedFact, awaited)

    async def store_dead(self, dead: Sequence[DeadFact]) -> None:
        """Store dead letters; of one fact the newest."""
        await self._store("store_dead", DeadFact, dead)

    async def store_erasures(self, erasures: Sequence[Erasure]) -> None:
        """Store what is to be erased."""
        await self._store("store_erasures", Erasure, erasures)

    async def store_erased(self, people: Sequence[ErasedPerson]) -> None:
        """Store until when people are erased; of one person the latest."""
        await self._store("store_erased", ErasedPerson, people)

    async def forget_dead(self, before: datetime) -> None:
        """Forget the dead letters that were set aside before an instant."""
        await self._connection.execute(SQL["forget_dead"], before)

    async def _store(self, name: str, row_type: type, rows: Sequence[object]) -> None:
        await self._connection.execute(SQL[name], *side_by_side(map(as_row(row_type), rows)))

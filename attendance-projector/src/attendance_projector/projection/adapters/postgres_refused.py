"""Refused facts in PostgreSQL."""

from collections.abc import Collection, Sequence

from attendance_projector.projection.adapters.columns import as_row, side_by_side
from attendance_projector.projection.refusals import OUT_OF_SCOPE, RefusedFact
from attendance_projector.projection.stored import FactKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import ReviewDecided

SQL = statements("refused")
REFUSED_ROW = as_row(RefusedFact)


class PostgresRefusedFacts:
    """`RefusedFacts` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def store(self, refused: Sequence[RefusedFact]) -> None:
        """Store refused facts, in one statement; one that is stored with the same reason stays."""
        await self._connection.execute(SQL["store"], *side_by_side(map(REFUSED_ROW, refused)))

    async def accept(self, reviews: Collection[FactKey]) -> None:
        """Take back that these reviews reach beyond their authority."""
        organisations, ids = side_by_side(reviews)
        names = [str(each) for each in ids]
        await self._connection.execute(
            SQL["accept"], organisations, names, ReviewDecided.__name__, OUT_OF_SCOPE
        )

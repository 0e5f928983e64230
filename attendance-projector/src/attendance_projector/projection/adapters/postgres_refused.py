"""Refused facts in PostgreSQL."""

from collections.abc import Mapping, Sequence

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

    async def take_back(self, reviews: Mapping[FactKey, str | None]) -> None:
        """Take back that these reviews reach beyond their authority, unless for the reason given."""
        organisations, ids = side_by_side(reviews)
        names, details = [str(each) for each in ids], list(reviews.values())
        await self._connection.execute(
            SQL["take_back"], organisations, names, details, ReviewDecided.__name__, OUT_OF_SCOPE
        )

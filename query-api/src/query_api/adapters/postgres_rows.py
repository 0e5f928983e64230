"""Queries of the read model by their names, and their records as rows of the domain."""

from typing import Any, TypeVar

from query_api.adapters.postgres_pools import ReadPools
from query_api.domain.scope import Scope

Row = TypeVar("Row")


class PostgresRows:
    """Asks the queries; what asks for something in particular derives from it."""

    def __init__(self, pools: ReadPools) -> None:
        self._pools = pools

    async def _all(self, row: type[Row], query: str, scope: Scope, **parameters: Any) -> list[Row]:
        """Return what a query finds in the organisation, as rows of this kind."""
        records = await self._pools.fetch(query, org_id=scope.org_id, **parameters)
        return [row(**record) for record in records]

    async def _one(self, row: type[Row], query: str, scope: Scope, **parameters: Any) -> Row | None:
        """Return the only row that a query finds in the organisation, or None."""
        return next(iter(await self._all(row, query, scope, **parameters)), None)

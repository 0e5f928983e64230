"""What became of facts, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from query_api.adapters.postgres_rows import PostgresRows
from query_api.domain.facts import Correction, Erasure, Punch, RefusedFact, ToldFate
from query_api.domain.fates import Fate
from query_api.domain.scope import Scope
from query_api.domain.time_range import InstantRange
from query_api.ports import RefusedFactKey


class PostgresFacts(PostgresRows):
    """The part of the port ReadModel that says what became of facts; one method, one SQL file."""

    async def fate(self, scope: Scope, events: Sequence[str], fact_id: UUID) -> ToldFate | None:
        """Return what became of a fact, by the names of its events; None: nothing is known of it."""
        records = await self._pools.fetch(
            "fate",
            org_id=scope.org_id,
            kinds=events,
            fact_id=str(fact_id),
            sites=scope.sites_for(None),
            device_id=scope.device_id,
            subject=scope.subject,
        )
        if not records:
            return None
        fields = dict(records[0])
        return ToldFate(**fields | {"fate": Fate(fields["fate"])})

    async def as_of(self, scope: Scope) -> datetime | None:
        """Return until when time has come for the read model; None before the first tick."""
        records = await self._pools.fetch("as_of", org_id=scope.org_id)
        return records[0]["as_of"] if records else None

    async def punch(self, scope: Scope, punch_id: UUID, instants: InstantRange) -> Punch | None:
        """Return a punch without a face within these instants, or None."""
        return await self._one(
            Punch,
            "punch",
            scope,
            punch_id=punch_id,
            starts_at=instants.starts_at,
            ends_at=instants.ends_at,
            sites=scope.sites_for(None),
            device_id=scope.device_id,
        )

    async def correction(
        self, scope: Scope, correction_id: UUID, instants: InstantRange
    ) -> Correction | None:
        """Return a correction, review or lock that counts, reviews of captures within these instants."""
        return await self._one(
            Correction,
            "correction",
            scope,
            correction_id=correction_id,
            starts_at=instants.starts_at,
            ends_at=instants.ends_at,
            sites=scope.sites_for(None),
            subject=scope.subject,
        )

    async def erasure(self, scope: Scope, erasure_id: UUID) -> Erasure | None:
        """Return an erasure, or None."""
        return await self._one(
            Erasure,
            "erasure",
            scope,
            erasure_id=erasure_id,
            sites=scope.sites_for(None),
            subject=scope.subject,
        )

    async def refused_facts(
        self, scope: Scope, instants: InstantRange, *, after: RefusedFactKey | None, limit: int
    ) -> list[RefusedFact]:
        """Return refused facts that were recorded between these instants, newest first."""
        after_at, after_kind, after_fact_id, after_reason = after or (None, None, None, None)
        return await self._all(
            RefusedFact,
            "refused_facts",
            scope,
            starts_at=instants.starts_at,
            ends_at=instants.ends_at,
            made_by=scope.made_by,
            after_at=after_at,
            after_kind=after_kind,
            after_fact_id=after_fact_id,
            after_reason=after_reason,
            limit=limit,
        )

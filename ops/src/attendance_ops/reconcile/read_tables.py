"""What the tables say of facts, and how far devices have reported, read by a login that cannot write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg

from attendance_ops.reconcile.facts import CAPTURE, DECISIONS, PUNCH, instant_of_micros, micros
from attendance_ops.reconcile.ledger import Ledger
from service_kit.errors import TransientFailure

BATCH = 5_000
DECIDED = 2
# One statement for every kind: the planner sees the kind as a value, and leaves the other branches out.
FATES = """
SELECT asked.fact_id, CASE
    WHEN CASE $4::text
        WHEN 'CaptureReceived' THEN EXISTS (
            SELECT FROM attendance.capture
            WHERE org_id = $1 AND capture_id = asked.fact_id AND occurred_at = asked.occurred_at
        )
        WHEN 'PunchSubmitted' THEN EXISTS (
            SELECT FROM attendance.punch
            WHERE org_id = $1 AND punch_id = asked.fact_id AND occurred_at = asked.occurred_at
        ) OR EXISTS (SELECT FROM attendance.pending_fact WHERE org_id = $1 AND fact_id = asked.fact_id)
        WHEN 'ReviewDecided' THEN EXISTS (
            SELECT FROM attendance.review WHERE org_id = $1 AND review_id = asked.fact_id
        )
        WHEN 'PeriodLocked' THEN EXISTS (
            SELECT FROM attendance.period_lock
            WHERE org_id = $1 AND lock_id = asked.fact_id AND starts_on IS NOT NULL
        )
        -- Of several, a lock keeps the first.
        WHEN 'PeriodReopened' THEN true
        WHEN 'EnrolmentRequested' THEN EXISTS (
            SELECT FROM attendance.enrolment WHERE org_id = $1 AND enrolment_id = asked.fact_id
        )
        ELSE EXISTS (SELECT FROM attendance.correction WHERE org_id = $1 AND correction_id = asked.fact_id)
    END
        OR EXISTS (
            SELECT FROM attendance.refused_fact
            WHERE org_id = $1 AND kind = ANY ($5::text[]) AND fact_id = asked.fact_id::text
        )
        OR EXISTS (
            SELECT FROM attendance.dead_letter
            WHERE org_id = $1 AND kind = ANY ($5::text[]) AND fact_id = asked.fact_id
        )
    THEN 2
    WHEN EXISTS (
        SELECT FROM attendance.awaited_fact WHERE org_id = $1 AND kind = $4 AND fact_id = asked.fact_id
    ) THEN 1
    ELSE 0
END
FROM unnest($2::uuid[], $3::timestamptz[]) AS asked (fact_id, occurred_at)
"""
KEPT_FROM = "SELECT table_name, kept_from FROM attendance.partitioned_table WHERE kept_from IS NOT NULL"
REPORTS = "SELECT device_id, first_sequence, last_sequence FROM attendance.device_report WHERE org_id = $1"
_TABLES = {"capture": CAPTURE, "punch": PUNCH}
_ASKED = """
SELECT org, kind, id, occurred_at FROM fact WHERE is_judged
UNION ALL SELECT org, kind, id, occurred_at FROM unpublished WHERE kind IS NOT NULL
ORDER BY org, kind, occurred_at
"""


@asynccontextmanager
async def open_tables(url: str) -> AsyncIterator[Tables]:
    """Give the read model. Raises TransientFailure: the database is away, or does not let us read."""
    try:
        connection = await asyncpg.connect(url, timeout=5, command_timeout=60)
        try:
            yield Tables(connection)
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise TransientFailure("postgres", f"cannot read the read model: {error!r}") from error


class Tables:
    """The read model, one organisation at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def read(self, ledger: Ledger) -> int:
        """Put the fates of the facts into the ledger, and the numbers of devices; return how many facts."""
        kept_from = await self._kept_from()
        count, orgs = 0, set()
        for org, kind, page in _batches(ledger):
            orgs.add(org)
            first = kept_from.get(kind)
            ledger.add("shown", [(org, raw, DECIDED) for raw, at in page if first and at < first])
            asked = [(raw, at) for raw, at in page if not first or at >= first]
            ledger.add("shown", await self._fates(org, kind, asked))
            count += len(page)
        for org in sorted(orgs):
            for row in await self._ask(org, REPORTS, org):
                ledger.add("report", [(org, *row)])
        return count

    async def _fates(
        self, org: str, kind: str, asked: list[tuple[bytes, int]]
    ) -> list[tuple[str, bytes, int]]:
        kinds = [kind, *(decision for decision, of in DECISIONS.items() if of == kind)]
        ids = [UUID(bytes=raw) for raw, _ in asked]
        instants = [instant_of_micros(at) for _, at in asked]
        rows = await self._ask(org, FATES, org, ids, instants, kind, kinds)
        return [(org, fact_id.bytes, fate) for fact_id, fate in rows]

    async def _kept_from(self) -> dict[str, int]:
        """Return the first instant of which the tables keep facts, by kind."""
        rows = await self._connection.fetch(KEPT_FROM)
        return {
            _TABLES[name]: micros(datetime.combine(first_on, time(), UTC))
            for name, first_on in rows
            if name in _TABLES
        }

    async def _ask(self, org: str, query: str, *values: object) -> list[Any]:
        async with self._connection.transaction(readonly=True):
            await self._connection.execute("SELECT set_config('attendance.org_id', $1, true)", org)
            return list(await self._connection.fetch(query, *values))


def _batches(ledger: Ledger) -> Iterator[tuple[str, str, list[tuple[bytes, int]]]]:
    """Yield facts of one organisation and kind at a time, in the order of their time: of few months each."""
    for (org, kind), rows in groupby(ledger.ask(_ASKED), key=itemgetter(0, 1)):
        page: list[tuple[bytes, int]] = []
        for _, _, raw, at in rows:
            page.append((raw, at))
            if len(page) == BATCH:
                yield org, kind, page
                page = []
        if page:
            yield org, kind, page

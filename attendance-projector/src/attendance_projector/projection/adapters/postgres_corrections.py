"""Corrections, reviews, and punches that wait for the holder of a badge, in PostgreSQL."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import asyncpg

from attendance_projector.projection.adapters.columns import as_row, names_of, side_by_side
from attendance_projector.projection.stored import (
    CorrectionRow,
    EntryKey,
    FactKey,
    Holder,
    KnownPunch,
    KnownReview,
    PendingFact,
    PersonKey,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.insert_rows import insert_rows
from attendance_projector.store.sql import statements
from attendance_schemas.events import ReviewDecided

SQL = statements("corrections")
CORRECTION_COLUMNS = names_of(CorrectionRow)
CORRECTION_ROW, PENDING_ROW = as_row(CorrectionRow), as_row(PendingFact)
NOBODY: tuple[list[object], ...] = ([], [])


class PostgresCorrections:
    """`Corrections` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_people(
        self, people: Iterable[PersonKey], corrections: Iterable[FactKey] = ()
    ) -> Mapping[FactKey, CorrectionRow]:
        """Return all corrections of these people, and those named."""
        of_people, named = side_by_side(people), side_by_side(corrections)
        if not of_people and not named:
            return {}
        asked = (*(of_people or NOBODY), *(named or NOBODY))
        rows = await self._connection.fetch(SQL["corrections_of_people"], *asked)
        return {row.key: row for row in (CorrectionRow(**dict(row)) for row in rows)}

    async def store(self, rows: Sequence[CorrectionRow]) -> None:
        """Store new corrections."""
        if rows:
            await insert_rows(self._connection, "correction", map(CORRECTION_ROW, rows), CORRECTION_COLUMNS)

    async def punches(self, punches: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the punches that are stored or wait for the holder of a badge."""
        return known_punches(await self._fetch(SQL["punches_by_id"], punches))

    async def punches_without_face(self, facts: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the facts that are punches by something else than a face."""
        return known_punches(await self._fetch(SQL["punches_without_face"], facts))

    async def reviews(
        self, captures: Collection[FactKey], reviews: Collection[FactKey]
    ) -> Sequence[KnownReview]:
        """Return all reviews of these captures, and those named."""
        if not captures:
            return []
        asked = (*side_by_side(captures), *(side_by_side(reviews) or NOBODY))
        return [_known_review(row) for row in await self._connection.fetch(SQL["reviews"], *asked)]

    async def store_reviews(self, reviews: Sequence[ReviewDecided]) -> None:
        """Store reviews; one that is stored already stays."""
        if reviews:
            await self._connection.executemany(SQL["record_review"], map(_review_row, reviews))

    async def pending(self, badges: Collection[EntryKey]) -> Sequence[PendingFact]:
        """Return the punches with these badges that belong to the holder of the badge."""
        return [PendingFact(**dict(row)) for row in await self._fetch(SQL["pending"], badges)]

    async def store_pending(self, facts: Sequence[PendingFact]) -> None:
        """Store such punches, with who has the badge now."""
        if facts:
            await self._connection.executemany(SQL["merge_pending"], map(PENDING_ROW, facts))

    async def holders(self, badges: Collection[EntryKey]) -> Mapping[EntryKey, Sequence[Holder]]:
        """Return who had each of the badges, the first one first, and last who has it now."""
        holders: dict[EntryKey, list[Holder]] = defaultdict(list)
        for org_id, badge, person_id, held_until in await self._fetch(SQL["holders"], badges):
            holders[org_id, badge].append(Holder(person_id, held_until))
        return holders

    async def badges_of_people(self, people: Collection[PersonKey]) -> set[EntryKey]:
        """Return the badges that these people have, or had."""
        return {(row["org_id"], row["badge"]) for row in await self._fetch(SQL["badges_of_people"], people)}

    async def _fetch(self, statement: str, keys: Collection[Iterable[object]]) -> Sequence[asyncpg.Record]:
        return await self._connection.fetch(statement, *side_by_side(keys)) if keys else []


def known_punches(rows: Iterable[asyncpg.Record]) -> dict[FactKey, KnownPunch]:
    """Return rows of punches by organisation and id."""
    return {FactKey(row["org_id"], row["punch_id"]): KnownPunch(**dict(row)) for row in rows}


def _known_review(row: asyncpg.Record) -> KnownReview:
    sites = row["sites"]
    return KnownReview(**dict(row) | {"sites": None if sites is None else frozenset(sites)})


def _review_row(event: ReviewDecided) -> tuple[object, ...]:
    return (
        event.org_id,
        event.review_id,
        event.capture_id,
        event.person_id,
        event.home_site_id,
        event.authority.subject,
        event.authority.sites,
        event.reason,
        event.recorded_at,
    )

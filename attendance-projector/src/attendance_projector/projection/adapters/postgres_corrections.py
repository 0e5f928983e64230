"""Corrections, reviews, and punches that wait for the holder of a badge, in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from uuid import UUID

from attendance_projector.projection.stored import (
    BadgeKey,
    CorrectionRow,
    KnownPunch,
    KnownReview,
    PendingFact,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import ReviewDecided

SQL = statements("corrections")
CORRECTION_COLUMNS = tuple(each.name for each in fields(CorrectionRow))


class PostgresCorrections:
    """`Corrections` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_people(
        self, person_ids: Iterable[str], correction_ids: Iterable[UUID] = ()
    ) -> Mapping[UUID, CorrectionRow]:
        """Return all corrections of these people, and those under these ids."""
        people, ids = list(person_ids), list(correction_ids)
        if not people and not ids:
            return {}
        rows = await self._connection.fetch(SQL["corrections_of_people"], people, ids)
        return {row["correction_id"]: CorrectionRow(**dict(row)) for row in rows}

    async def store(self, rows: Sequence[CorrectionRow]) -> None:
        """Store new corrections."""
        if rows:
            await self._connection.copy_records_to_table(
                "correction", records=[astuple(row) for row in rows], columns=CORRECTION_COLUMNS
            )

    async def punches(self, punch_ids: Collection[UUID]) -> Mapping[UUID, KnownPunch]:
        """Return those of the punches that are stored or wait for the holder of a badge."""
        rows = await self._connection.fetch(SQL["punches_by_id"], list(punch_ids)) if punch_ids else []
        return {row["punch_id"]: KnownPunch(**dict(row)) for row in rows}

    async def punches_without_face(self, ids: Collection[UUID]) -> Mapping[UUID, KnownPunch]:
        """Return those of the ids that are punches by something else than a face."""
        rows = await self._connection.fetch(SQL["punches_without_face"], list(ids)) if ids else []
        return {row["punch_id"]: KnownPunch(**dict(row)) for row in rows}

    async def reviews(self, capture_ids: Collection[UUID]) -> Sequence[KnownReview]:
        """Return all reviews of these captures."""
        rows = await self._connection.fetch(SQL["reviews"], list(capture_ids)) if capture_ids else []
        return [KnownReview(**dict(row)) for row in rows]

    async def store_reviews(self, reviews: Sequence[ReviewDecided]) -> None:
        """Store reviews; one that is stored already stays."""
        if reviews:
            await self._connection.executemany(SQL["record_review"], map(_review_row, reviews))

    async def pending(self, badges: Collection[BadgeKey]) -> Sequence[PendingFact]:
        """Return the punches with these badges that belong to the holder of the badge."""
        rows = await self._connection.fetch(SQL["pending"], *_columns(badges)) if badges else []
        return [PendingFact(**dict(row)) for row in rows]

    async def store_pending(self, facts: Sequence[PendingFact]) -> None:
        """Store such punches, with who has the badge now."""
        if facts:
            await self._connection.executemany(SQL["merge_pending"], map(astuple, facts))

    async def holders(self, badges: Collection[BadgeKey]) -> Mapping[BadgeKey, str]:
        """Return who has each of the badges now; one that nobody has is left out."""
        rows = await self._connection.fetch(SQL["holders"], *_columns(badges)) if badges else []
        return {(row["org_id"], row["badge"]): row["person_id"] for row in rows}

    async def badges_of_people(self, person_ids: Collection[str]) -> set[BadgeKey]:
        """Return the badges that these people have."""
        rows = await self._connection.fetch(SQL["badges_of_people"], list(person_ids)) if person_ids else []
        return {(row["org_id"], row["badge"]) for row in rows}


def _columns(badges: Collection[BadgeKey]) -> tuple[list[str], list[str]]:
    return [org_id for org_id, _ in badges], [badge for _, badge in badges]


def _review_row(event: ReviewDecided) -> tuple[object, ...]:
    return (
        event.review_id,
        event.capture_id,
        event.org_id,
        event.person_id,
        event.made_by,
        event.reason,
        event.recorded_at,
    )

"""The tables of a rebuild while nobody reads them: first all facts, then all days, person by person.

Loading keeps accepted punches apart, in `rebuild_punch`, and computes nothing. Computing takes the people of
a bucket, with all their punches, and writes each punch and each day once, in its place. Both are the use
cases of the live service over other adapters: what they store is the same.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

from attendance_projector.projection.adapters.columns import side_by_side
from attendance_projector.projection.adapters.postgres_captures import (
    PUNCH_COLUMNS,
    PostgresCaptures,
    punch_row,
)
from attendance_projector.projection.adapters.postgres_corrections import PostgresCorrections, known_punches
from attendance_projector.projection.adapters.postgres_days import PostgresDays, by_person, copy_days
from attendance_projector.projection.adapters.postgres_positions import PostgresPositions
from attendance_projector.projection.adapters.postgres_read_model import NextReadModel
from attendance_projector.projection.fates.adapters.postgres_fates import PostgresFates
from attendance_projector.projection.fates.stored import AwaitedFact, FateKey
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.projection.stored import (
    AcceptedPunch,
    FactKey,
    KnownPunch,
    PersonDates,
    PersonDay,
    PersonInstants,
    PersonKey,
    Place,
    StoredPunch,
)
from attendance_projector.rebuild.put_off_days import ComputeDays
from attendance_projector.store.connection import Connection
from attendance_projector.store.insert_rows import copy_rows
from attendance_projector.store.sql import statements

T = TypeVar("T")
SQL = statements("rebuild")
HASHES = 2**32
LOWEST_HASH = -(2**31)


class _NobodyComputes(PostgresPositions):
    """Positions without the locks that keep projectors apart: nobody else writes rows of these partitions."""

    async def lock_captures(self, judged: Iterable[FactKey], reviewed: Iterable[FactKey]) -> None:
        """Wait for nobody: reviews are loaded when all decisions are there."""

    async def lock_people(self, people: Iterable[PersonKey]) -> None:
        """Wait for nobody."""


class _DirectoryStands(_NobodyComputes):
    """Positions of a time in which no fact arrives: people can be remembered."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.directory_version = 0


class _WaitingPunches(PostgresCaptures):
    """Captures whose punches are kept apart until all are there."""

    _add = staticmethod(copy_rows)

    async def store_punches(self, punches: Sequence[tuple[AcceptedPunch, Place]]) -> None:
        """Keep new punches; they have no place yet."""
        if punches:
            rows = [punch_row(*each) for each in punches]
            await self._add(self._connection, "rebuild_punch", rows, PUNCH_COLUMNS)

    async def remove_punches(self, punches: Sequence[AcceptedPunch]) -> Sequence[PersonDates]:
        """Drop punches that a later decision took back; they were on no day."""
        if punches:
            await self._connection.execute(
                SQL["remove_kept_punches"], *side_by_side(punch.key for punch in punches)
            )
        return []


class _WaitingCorrections(PostgresCorrections):
    """Corrections of punches that are kept apart until all are there."""

    async def punches(self, punches: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the punches that are kept or wait for the holder of a badge."""
        return known_punches(await self._fetch(SQL["kept_punches"], punches))

    async def punches_without_face(self, facts: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the facts that are punches by something else than a face."""
        return await self.punches(facts)


class _EmptyDays(PostgresDays):
    """Days of people of whom nothing is stored yet: nothing to read, nothing to compare with."""

    async def extents(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, PersonDates]:
        """Return the dates of overrides and of what was locked, which need no punch."""
        if not (asked := side_by_side(people)):
            return {}
        return by_person(await self._connection.fetch(SQL["extents_without_punches"], *asked))

    async def punches(self, _spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return nothing."""
        return []

    async def replace(self, _spans: Sequence[PersonDates], days: Sequence[PersonDay]) -> None:
        """Copy the days to their place."""
        await copy_days(self._connection, days)


class _WaitingPeriods(PostgresPeriods):
    """Locked periods before there is any day."""

    async def stale_days(self, _lock: FactKey) -> Sequence[PersonDates]:
        """Return nothing: all days will be computed."""
        return []


class _NothingWaits(PostgresFates):
    """Fates of a time long ago: what waits now, a switch takes over from the live tables."""

    async def settle(self, keys: Collection[FateKey]) -> None:
        """Nothing is awaited."""

    async def expect(self, awaited: Sequence[AwaitedFact]) -> None:
        """Await nothing: recognition has decided nearly all of it."""


class LoadingReadModel(NextReadModel):
    """`ReadModel` that takes facts and leaves the days for later."""

    _positions_of = _NobodyComputes
    _captures_of = _WaitingPunches
    _corrections_of = _WaitingCorrections
    _periods_of = _WaitingPeriods
    _fates_of = _NothingWaits


class ComputingReadModel(NextReadModel):
    """The loaded facts of one bucket of people after the other, and room for their days."""

    _positions_of = _DirectoryStands
    _days_of = _EmptyDays

    async def compute_bucket(self, number: int, count: int, compute: ComputeDays) -> int:
        """Compute the days of the people of a bucket unless that was done; return how many days."""
        lowest = LOWEST_HASH + number * HASHES // count
        highest = LOWEST_HASH + (number + 1) * HASHES // count - 1
        columns = tuple(each.name for each in fields(AcceptedPunch))

        async def work(connection: Connection) -> int:
            if await connection.fetchval(SQL["claim_bucket"], number) is None:
                return 0
            people = await connection.fetch(SQL["people_of_bucket"], lowest, highest)
            query = SQL["punches_of_bucket"].format(columns=", ".join(columns))
            rows = await connection.fetch(query, lowest, highest)
            punches = [AcceptedPunch(*row) for row in rows]
            return await compute(self._tables(connection), [PersonKey(*row) for row in people], punches)

        return await self._on_one_connection(work)

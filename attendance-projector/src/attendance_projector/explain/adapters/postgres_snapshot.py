"""The read model at one instant, in a transaction that cannot write: for explaining and for what-ifs."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import date

import asyncpg
import msgspec

from attendance_projector.errors import ProjectorError, ReadModelSwitched, SnapshotRefused
from attendance_projector.explain.ports import Alter
from attendance_projector.explain.recorded import TEXTS, AskedFacts, RecordedFact
from attendance_projector.projection.adapters.postgres_absence import PostgresAbsence
from attendance_projector.projection.adapters.postgres_captures import PostgresCaptures
from attendance_projector.projection.adapters.postgres_corrections import PostgresCorrections
from attendance_projector.projection.adapters.postgres_days import DAY_COLUMNS, PostgresDays, day_row
from attendance_projector.projection.adapters.postgres_outbox import NothingToTell
from attendance_projector.projection.adapters.postgres_positions import PostgresPositions
from attendance_projector.projection.adapters.postgres_refused import PostgresRefusedFacts
from attendance_projector.projection.adapters.postgres_retention import PostgresRetention
from attendance_projector.projection.backlog.adapters.postgres_backlog import PostgresBacklog
from attendance_projector.projection.directory.adapters.postgres_directory import PostgresDirectory
from attendance_projector.projection.fates.adapters.postgres_fates import PostgresFates
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.projection.periods.stored import StoredLock
from attendance_projector.projection.stored import EntryKey, KnownPerson, PersonDay, PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import check_migrated
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.schema import SCHEMA
from attendance_projector.store.sql import statements

SQL = statements("explain")
# A statement that takes longer has lost its server.
STATEMENT_SECONDS = 120.0


class _AlteredDirectory(PostgresDirectory):
    """The directory as it would be with other plans."""

    def __init__(self, connection: Connection, alter: Alter) -> None:
        super().__init__(connection)
        self._alter = alter

    async def people(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, KnownPerson]:
        """Return people with altered plans."""
        found = await super().people(people)
        return {key: self._alter(person) for key, person in found.items()}


class _Unlocked(PostgresPeriods):
    """Periods as if none were locked: what the rules say now."""

    async def in_force(self, _org_ids: Collection[str], _first_on: date) -> Sequence[StoredLock]:
        """Return nothing."""
        return []


class PostgresSnapshot:
    """`Snapshot` within one read-only transaction; use `open_snapshot`."""

    is_live = False

    def __init__(self, connection: Connection, identity: int | None) -> None:
        self._connection = connection
        self._identity = identity
        self.positions = PostgresPositions(connection)
        self.captures = PostgresCaptures(connection)
        self.absence = PostgresAbsence(connection)
        self.corrections = PostgresCorrections(connection)
        self.refused = PostgresRefusedFacts(connection)
        self.directory = PostgresDirectory(connection)
        self.days = PostgresDays(connection)
        self.outbox = NothingToTell(connection)
        self.periods = PostgresPeriods(connection)
        self.backlog = PostgresBacklog(connection)
        self.fates = PostgresFates(connection)
        self.retention = PostgresRetention(connection)

    def altered(self, alter: Alter) -> PostgresDirectory:
        """Return the directory as it would be with other plans."""
        return _AlteredDirectory(self._connection, alter)

    def unlocked(self) -> PostgresPeriods:
        """Return periods as if none were locked."""
        return _Unlocked(self._connection)

    async def stored_days(self, person: PersonKey, on: date) -> Mapping[str, Mapping[str, object]]:
        """Return the columns of the stored days of a local date, by shift."""
        statement = SQL["stored_days"].format(columns=", ".join(DAY_COLUMNS))
        rows = await self._connection.fetch(statement, *person, on)
        return {row["shift_id"]: _read(dict(row)) for row in rows}

    def columns_of(self, day: PersonDay) -> Mapping[str, object]:
        """Return the columns as which a computed day would be stored."""
        return _read(dict(zip(DAY_COLUMNS, day_row(day), strict=True)))

    async def recorded(self, asked: AskedFacts) -> Sequence[RecordedFact]:
        """Return the facts that a day is made of, kind by kind."""
        found = []
        for kind in TEXTS:
            statement = SQL[kind].replace("{person}", f"({SQL['person_on']}) AS person")
            names = [each.name for each in fields(asked) if f"{{{each.name}}}" in statement]
            places = {name: f"${number}" for number, name in enumerate(names, start=1)}
            arguments = [getattr(asked, name) for name in names]
            rows = await self._connection.fetch(statement.format(**places), *arguments)
            found += [_fact(kind, row) for row in rows]
        return found

    async def organisations_of_person(self, person_id: str) -> Sequence[str]:
        """Return the organisations that have recorded somebody under this id."""
        rows = await self._connection.fetch(SQL["organisations_of_person"], person_id)
        return [row["org_id"] for row in rows]

    async def organisations_of_site(self, site_id: str) -> Sequence[str]:
        """Return the organisations that have recorded a site under this id."""
        return [row["org_id"] for row in await self._connection.fetch(SQL["organisations_of_site"], site_id)]

    async def people_at(self, site: EntryKey) -> Sequence[PersonKey]:
        """Return the people with this home site, in order."""
        return [PersonKey(*row) for row in await self._connection.fetch(SQL["people_at"], *site)]

    async def shift_ids(self, org_ids: Iterable[str]) -> set[str]:
        """Return the shifts of these organisations."""
        rows = await self._connection.fetch(SQL["shift_ids"], list(org_ids))
        return {row["shift_id"] for row in rows}

    async def waiting_count(self, person_id: str, org_id: str | None) -> int:
        """Return how many punches wait for somebody to be recorded under this id; None: anywhere."""
        return int(await self._connection.fetchval(SQL["waiting"], person_id, org_id))

    async def check(self) -> None:
        """Raise ReadModelSwitched when other tables took the place of those that were read."""
        if await self._connection.fetchval(SQL["identity"]) != self._identity:
            raise ReadModelSwitched("a rebuilt read model took the place of this one meanwhile; ask again")


def _read(columns: dict[str, object]) -> Mapping[str, object]:
    """Read the explanation: how its JSON is spaced is no difference."""
    return columns | {"explanation": msgspec.json.decode(str(columns["explanation"]))}


def _fact(kind: str, row: asyncpg.Record) -> RecordedFact:
    return RecordedFact(kind, row["fact_id"], row["version"], row["recorded_at"], dict(row))


@asynccontextmanager
async def open_snapshot(
    url: str, org_id: str | None = None, *, schema: str = SCHEMA
) -> AsyncIterator[PostgresSnapshot]:
    """Open a snapshot of a migrated read model; a login that can only read, and a replica, will do.

    org_id: whose rows such a login is to see. Raises SnapshotRefused when it names none, ReadModelOutdated,
    ReadModelSwitched at the end, or TransientFailure when the database is away.
    """
    with naming_outages():
        connection = await asyncpg.connect(
            url,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"search_path": schema, "application_name": "attendance-projector-explain"},
        )
        try:
            await check_migrated(connection, schema)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                if org_id is not None:
                    await connection.execute(SQL["name_organisation"], org_id)
                elif await connection.fetchval(SQL["needs_organisation"]):
                    raise SnapshotRefused("this login sees one organisation at a time: name it with --org")
                snapshot = PostgresSnapshot(connection, await connection.fetchval(SQL["identity"]))
                try:
                    yield snapshot
                except ProjectorError:
                    await snapshot.check()
                    raise
                await snapshot.check()
        finally:
            connection.terminate()

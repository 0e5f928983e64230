"""People remembered between transactions, as long as the directory has not changed.

A transaction that changes the directory holds the lock on the organisations concerned and moves
`directory_version`; one that computes their days shares that lock and reads the version under it. So what was
read of these organisations at this version is what would be read now; a change of another one costs asking
again. Time passes under the lock on everyone and changes nobody: what it decides is never remembered. A
transaction that changes the directory, or holds none of these locks, asks the tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from attendance_projector.domain.schedule import Schedule
from attendance_projector.projection.adapters.postgres_positions import PostgresPositions
from attendance_projector.projection.directory.adapters.postgres_directory import PostgresDirectory
from attendance_projector.projection.stored import KnownPerson, PersonKey
from attendance_projector.store.connection import Connection

# About 1 kB each; beyond this a projector of many organisations asks again.
PEOPLE_REMEMBERED = 50_000


@dataclass(slots=True)
class DirectoryMemory:
    """What a read model remembers of the directory, at one version of it."""

    version: int | None = None
    people: dict[PersonKey, KnownPerson] = field(default_factory=dict)
    # Most people work one of a few schedules: one object for each, so that its instances are computed once.
    schedules: dict[Schedule, Schedule] = field(default_factory=dict)

    def at(self, version: int) -> None:
        """Forget everything unless it was read at this version."""
        if self.version != version or len(self.people) > PEOPLE_REMEMBERED:
            self.forget()
            self.version = version

    def forget(self) -> None:
        """Forget everything."""
        self.version = None
        self.people.clear()
        self.schedules.clear()

    def keep(self, person: KnownPerson) -> None:
        """Remember a person."""
        if person.schedule is not None:
            shared = self.schedules.setdefault(person.schedule, person.schedule)
            person = replace(person, schedule=shared)
        self.people[person.key] = person


class RememberedDirectory(PostgresDirectory):
    """`Directory` within one transaction that asks only for people who are not remembered."""

    def __init__(self, connection: Connection, positions: PostgresPositions, memory: DirectoryMemory) -> None:
        super().__init__(connection)
        self._positions = positions
        self._memory = memory

    async def people(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, KnownPerson]:
        """Return those of the people who are recorded, with all shifts and roster entries of theirs."""
        version = self._positions.directory_version
        if version is None:
            return await super().people(people)
        self._memory.at(version)
        asked = list(people)
        known = self._memory.people
        for person in (await super().people([each for each in asked if each not in known])).values():
            self._memory.keep(person)
        return {each: known[each] for each in asked if each in known}

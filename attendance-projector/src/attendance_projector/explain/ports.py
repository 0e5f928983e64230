"""What explanations need of the read model, by role: all of it at one instant, only to be read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol, TypeAlias

from attendance_projector.explain.recorded import AskedFacts, RecordedFact
from attendance_projector.projection.directory.ports import Directory
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import EntryKey, KnownPerson, PersonDay, PersonKey

Alter: TypeAlias = Callable[[KnownPerson], KnownPerson]
"""Changes what is planned for a person."""


class Snapshot(Transaction, Protocol):
    """The tables as they are at one instant, only to be read."""

    def altered(self, alter: Alter) -> Directory:
        """Return the directory as it would be with other plans."""

    def unlocked(self) -> Periods:
        """Return periods as if none were locked."""

    async def stored_days(self, person: PersonKey, on: date) -> Mapping[str, Mapping[str, object]]:
        """Return the columns of the stored days of a local date, by shift."""

    def columns_of(self, day: PersonDay) -> Mapping[str, object]:
        """Return the columns as which a computed day would be stored."""

    async def recorded(self, asked: AskedFacts) -> Sequence[RecordedFact]:
        """Return the facts that a day is made of, as they were recorded."""

    async def organisations_of_person(self, person_id: str) -> Sequence[str]:
        """Return the organisations that have recorded somebody under this id."""

    async def organisations_of_site(self, site_id: str) -> Sequence[str]:
        """Return the organisations that have recorded a site under this id."""

    async def people_at(self, site: EntryKey) -> Sequence[PersonKey]:
        """Return the people with this home site, in order."""

    async def shift_ids(self, org_ids: Iterable[str]) -> set[str]:
        """Return the shifts of these organisations."""

    async def waiting_count(self, person_id: str, org_id: str | None) -> int:
        """Return how many punches wait for somebody to be recorded under this id; None: anywhere."""

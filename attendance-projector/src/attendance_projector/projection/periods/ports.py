"""What locked periods need of the read model, by role."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol

from attendance_projector.domain.periods import Figures
from attendance_projector.projection.periods.stored import (
    AdjustmentRow,
    DayKey,
    KnownPeriod,
    LockedSpan,
    StoodThen,
    StoredLock,
)
from attendance_projector.projection.stored import FactKey, PersonDates, PersonDay, PersonKey
from attendance_schemas.events import DaysLocked, PeriodLocked, PeriodReopened, PeriodSealed


class Periods(Protocol):
    """Locks, what was recorded with them, and the adjustments that they make."""

    async def known(self, locks: Collection[FactKey]) -> Mapping[FactKey, KnownPeriod]:
        """Return those of the locks of which anything is stored."""

    async def store_locks(self, locks: Sequence[PeriodLocked]) -> None:
        """Store locks; of one that is stored already, nothing changes."""

    async def store_person_counts(self, counted: Sequence[PeriodSealed]) -> None:
        """Store of how many people the days of locks are; the first number of a lock stays."""

    async def store_reopenings(self, reopenings: Sequence[PeriodReopened]) -> None:
        """Store reopenings; the first of a lock stays."""

    async def store_days(self, days: Sequence[DaysLocked]) -> None:
        """Store what stood at locks; what is stored already stays."""

    async def decide_force(self, locks: Collection[FactKey]) -> Mapping[FactKey, bool]:
        """Decide which of the locks are in force; return those of which that changed."""

    async def stale_days(self, lock: FactKey) -> Sequence[PersonDates]:
        """Return the dates to compute again, of a lock that came in force or is in force no longer."""

    async def forget_adjustments(self, lock: FactKey, first_on: date | None) -> None:
        """Remove the adjustments of all dates that `stale_days` names, from this one on; None: all."""

    async def in_force(self, org_ids: Collection[str], first_on: date) -> Sequence[StoredLock]:
        """Return the locks in force of these organisations that end on the date or later."""

    async def covered(
        self, locks: Collection[FactKey], people: Collection[PersonKey]
    ) -> set[tuple[FactKey, str]]:
        """Return which of the people were recorded with which of the locks of their organisation."""

    async def kept(self, spans: Sequence[LockedSpan]) -> Mapping[DayKey, Figures]:
        """Return the days of spans as they were locked."""

    async def recorded_adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans that were recorded with locks in force."""

    async def adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans, by day; first what is settled, oldest first."""

    async def restore(self, spans: Sequence[LockedSpan], days: Sequence[PersonDay]) -> None:
        """Make the days of these spans exactly those locked; `days` are those by the rules.

        Only what time and devices may still decide of a day without a punch is that of the rules, so that
        the next tick finds it.
        """

    async def replace_adjustments(self, spans: Sequence[PersonDates], rows: Sequence[AdjustmentRow]) -> None:
        """Make the adjustments of these dates exactly those given."""

    async def people_of(self, lock: PeriodLocked) -> Sequence[str]:
        """Return the people whom a lock covers."""

    async def stood(self, lock: PeriodLocked, person_ids: Sequence[str]) -> Mapping[str, StoodThen]:
        """Return the days of a period as they stand, and the adjustments booked in it, by person."""

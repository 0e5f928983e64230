"""Locked periods in PostgreSQL: locks, what stood then, adjustments; written and compared as sets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from operator import attrgetter

from attendance_projector.domain.facts import ShiftId
from attendance_projector.domain.periods import Figures
from attendance_projector.domain.retention import months_between
from attendance_projector.domain.status import Status
from attendance_projector.projection.adapters.columns import side_by_side, spans_in_columns
from attendance_projector.projection.adapters.postgres_days import undecided
from attendance_projector.projection.adapters.postgres_months import needing_months
from attendance_projector.projection.periods.adapters.period_rows import (
    LOCKED_COLUMNS,
    RECORDED_ADJUSTMENT_COLUMNS,
    REMOVE_UNLOCKED_DAYS,
    RESTORE_DAYS,
    SQL,
    adjustment_row,
    event_row,
    locked_spans_in_columns,
    recorded_adjustment,
    stored_lock,
)
from attendance_projector.projection.periods.keep_locked_days import dates_of
from attendance_projector.projection.periods.stored import (
    AdjustmentRow,
    DayKey,
    KnownPeriod,
    LockedSpan,
    StoodThen,
    StoredLock,
)
from attendance_projector.projection.stored import FactKey, PersonDates, PersonDay, PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.insert_rows import insert_rows
from attendance_schemas.events import (
    DaysLocked,
    LockedAdjustment,
    LockedDay,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
)

NO_KEYS: tuple[list[object], ...] = ([], [], [], [], [])
NO_DAYS: tuple[list[object], ...] = ([], [], [], [], [], [])
SEALED = ("org_id", "lock_id", "sealing_id")
MADE_BY = "authority.subject"


class PostgresPeriods:
    """`Periods` within one transaction."""

    _restore_days = str(RESTORE_DAYS)
    _remove_unlocked_days = str(REMOVE_UNLOCKED_DAYS)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def known(self, locks: Collection[FactKey]) -> Mapping[FactKey, KnownPeriod]:
        """Return those of the locks of which anything is stored."""
        rows = await self._connection.fetch(SQL["known"], *side_by_side(locks))
        return {each.key: each for each in (KnownPeriod(**dict(row)) for row in rows)}

    async def store_locks(self, locks: Sequence[PeriodLocked]) -> None:
        """Store locks; of one that is stored already, nothing changes."""
        names = ("org_id", "lock_id", "site_id", "starts_on", "ends_on", MADE_BY, "reason", "recorded_at")
        await self._execute_each("store_lock", locks, names)

    async def store_person_counts(self, counted: Sequence[PeriodSealed]) -> None:
        """Store of how many people the days of locks are; the first number of a lock stays."""
        await self._execute_each("store_person_count", counted, (*SEALED, "person_count"))

    async def store_reopenings(self, reopenings: Sequence[PeriodReopened]) -> None:
        """Store reopenings; the first of a lock stays."""
        names = ("org_id", "lock_id", "reopening_id", MADE_BY, "reason", "recorded_at")
        await self._execute_each("store_reopening", reopenings, names)

    async def _execute_each(self, statement: str, events: Sequence[object], names: Sequence[str]) -> None:
        for event in events:
            await self._connection.execute(SQL[statement], *attrgetter(*names)(event))

    async def store_days(self, days: Sequence[DaysLocked]) -> None:
        """Store what stood at locks; what is stored already stays."""
        if not days:
            return
        first = {
            (each.org_id, each.lock_id, each.sealing_id, each.person_id): each for each in reversed(days)
        }
        rows = await self._connection.fetch(SQL["store_people"], *side_by_side(first))
        new = [first[tuple(row)] for row in rows]
        await insert_rows(
            self._connection,
            "locked_day",
            [event_row(each, day, LOCKED_COLUMNS) for each in new for day in each.days],
            ("lock_id", "sealing_id", *LOCKED_COLUMNS),
        )
        await insert_rows(
            self._connection,
            "locked_adjustment",
            [event_row(each, paid, RECORDED_ADJUSTMENT_COLUMNS) for each in new for paid in each.adjustments],
            ("lock_id", "sealing_id", *RECORDED_ADJUSTMENT_COLUMNS),
        )

    async def decide_force(self, locks: Collection[FactKey]) -> Mapping[FactKey, bool]:
        """Decide which of the locks are in force; return those of which that changed."""
        rows = await self._connection.fetch(SQL["decide_force"], *side_by_side(locks))
        return {FactKey(row["org_id"], row["lock_id"]): row["in_force"] for row in rows}

    async def stale_days(self, lock: FactKey) -> Sequence[PersonDates]:
        """Return the dates to compute again, of a lock that came in force or is in force no longer."""
        (stored,) = await self._connection.fetch(SQL["lock"], *lock)
        rows = await self._connection.fetch(SQL["stale_days"], *stored.values())
        return [PersonDates(PersonKey(org_id, person_id), *dates) for org_id, person_id, *dates in rows]

    async def forget_adjustments(self, lock: FactKey, first_on: date | None) -> None:
        """Remove the adjustments of all dates that `stale_days` names, from this one on; None: all."""
        (stored,) = await self._connection.fetch(SQL["lock"], *lock)
        of_lock = (stored[name] for name in (*SEALED, "site_id", "ends_on"))
        await self._connection.execute(SQL["forget_adjustments"], *of_lock, first_on)

    async def in_force(self, org_ids: Collection[str], first_on: date) -> Sequence[StoredLock]:
        """Return the locks in force of these organisations that end on the date or later."""
        rows = await self._connection.fetch(SQL["in_force"], list(org_ids), first_on)
        return [stored_lock(row) for row in rows]

    async def covered(
        self, locks: Collection[FactKey], people: Collection[PersonKey]
    ) -> set[tuple[FactKey, str]]:
        """Return which of the people were recorded with which of the locks of their organisation."""
        asked = (*side_by_side(locks), *side_by_side(people))
        rows = await self._connection.fetch(SQL["covered"], *asked)
        return {(FactKey(row["org_id"], row["lock_id"]), row["person_id"]) for row in rows}

    async def kept(self, spans: Sequence[LockedSpan]) -> Mapping[DayKey, Figures]:
        """Return the days of spans as they were locked."""
        rows = await self._connection.fetch(SQL["kept"], *locked_spans_in_columns(spans)) if spans else []
        return {
            (PersonKey(org_id, person_id), on, ShiftId(shift_id)): Figures(Status(status), *minutes)
            for org_id, person_id, on, shift_id, status, *minutes in rows
        }

    async def recorded_adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans that were recorded with locks in force."""
        rows = await self._connection.fetch(SQL["recorded_adjustments"], *spans_in_columns(spans))
        return [recorded_adjustment(row) for row in rows]

    async def adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans, by day; first what is settled, oldest first."""
        rows = await self._connection.fetch(SQL["adjustments_of"], *spans_in_columns(spans))
        return [recorded_adjustment(row) for row in rows]

    async def restore(self, spans: Sequence[LockedSpan], days: Sequence[PersonDay]) -> None:
        """Make the days of these spans exactly those locked; `days` are those by the rules."""
        if not spans:
            return
        asked = locked_spans_in_columns(spans)
        by_rule = [
            (*each.person.key, each.day.attendance_on, each.day.shift_id, *undecided(each.day))
            for each in days
            if each.day.absence is not None
        ]
        await self._connection.execute(self._remove_unlocked_days, *asked, *dates_of(spans))
        with needing_months(on for span in spans for on in months_between(span.first_on, span.last_on)):
            await self._connection.execute(self._restore_days, *asked, *(side_by_side(by_rule) or NO_DAYS))

    async def replace_adjustments(self, spans: Sequence[PersonDates], rows: Sequence[AdjustmentRow]) -> None:
        """Make the adjustments of these dates exactly those given."""
        columns = side_by_side(map(adjustment_row, rows))
        await self._connection.execute(
            SQL["remove_adjustments"], *spans_in_columns(spans), *(columns[:5] or NO_KEYS)
        )
        if rows:
            await self._connection.execute(SQL["merge_adjustments"], *columns)

    async def people_of(self, lock: PeriodLocked) -> Sequence[str]:
        """Return the people whom a lock covers."""
        asked = (lock.org_id, lock.site_id, lock.starts_on, lock.ends_on)
        rows = await self._connection.fetch(SQL["people_of"], *asked)
        return [row["person_id"] for row in rows]

    async def stood(self, lock: PeriodLocked, person_ids: Sequence[str]) -> Mapping[str, StoodThen]:
        """Return the days of a period as they stand, and the adjustments booked in it, by person."""
        found: dict[str, StoodThen] = {}
        asked = (lock.org_id, list(person_ids), lock.starts_on, lock.ends_on)
        for row in await self._connection.fetch(SQL["days_that_stand"], *asked):
            fields = dict(row)
            found.setdefault(fields.pop("person_id"), StoodThen()).days.append(LockedDay(**fields))
        for row in await self._connection.fetch(SQL["adjustments_that_stand"], *asked):
            fields = dict(row)
            stood = found.setdefault(fields.pop("person_id"), StoodThen())
            stood.adjustments.append(LockedAdjustment(**fields))
        return found

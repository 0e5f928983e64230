"""Locked periods in PostgreSQL: locks, what stood then, adjustments; written and compared as sets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import asyncpg
import msgspec

from attendance_projector.domain.corrections import Made
from attendance_projector.domain.facts import ShiftId
from attendance_projector.domain.periods import Adjustment, Figures, PeriodLock
from attendance_projector.domain.status import Status
from attendance_projector.explain.scenario.apply import reasons_as_json
from attendance_projector.projection.adapters.postgres_days import DAY_COLUMNS
from attendance_projector.projection.periods.keep_locked_days import dates_of
from attendance_projector.projection.periods.stored import (
    AdjustmentRow,
    KnownPeriod,
    LockedSpan,
    PersonKey,
    StoodThen,
    StoredLock,
)
from attendance_projector.projection.stored import PersonDates, PersonDay
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import (
    DaysLocked,
    LockedAdjustment,
    LockedDay,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
)

# What time and devices may still decide is no part of what was locked.
NOT_LOCKED = ("closes_at", "absence")
KEPT_COLUMNS = tuple(name for name in DAY_COLUMNS if name not in NOT_LOCKED)
ADJUSTMENT_COLUMNS = {
    "person_id": "text",
    "attendance_on": "date",
    "shift_id": "text",
    "booked_on": "date",
    "org_id": "text",
    "site_id": "text",
    "status_from": "text",
    "status_to": "text",
    "worked_minutes": "integer",
    "overtime_minutes": "integer",
    "late_minutes": "integer",
    "early_minutes": "integer",
    "break_minutes": "integer",
    "explanation": "jsonb",
    "settled_by": "uuid",
    "closes_at": "timestamptz",
    "absence": "text",
}
PERSON, DAY = ("lock_id", "sealing_id", "person_id"), ("person_id", "attendance_on", "shift_id")
NOT_RECORDED = {"person_id", "settled_by", *NOT_LOCKED}
LOCKED_ADJUSTMENT_COLUMNS = (*PERSON, *(name for name in ADJUSTMENT_COLUMNS if name not in NOT_RECORDED))


def _updates(columns: Iterable[str], key: Collection[str]) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)


SQL = {
    name: text.format(
        columns=", ".join(KEPT_COLUMNS),
        kept=", ".join(f"day.{name}" for name in KEPT_COLUMNS),
        day_columns=", ".join(f"day.{name}" for name in KEPT_COLUMNS),
        updates=_updates(DAY_COLUMNS, DAY),
        adjustment_columns=", ".join(ADJUSTMENT_COLUMNS),
        adjustment_values=", ".join(
            f"${n}::{kind}[]" for n, kind in enumerate(ADJUSTMENT_COLUMNS.values(), 1)
        ),
        adjustment_updates=_updates(ADJUSTMENT_COLUMNS, (*DAY, "booked_on")),
    )
    for name, text in statements("periods").items()
}
NO_KEYS: tuple[list[object], ...] = ([], [], [], [])


class PostgresPeriods:
    """`Periods` within one transaction."""

    _restore_days = SQL["restore_days"]
    _remove_unlocked_days = SQL["remove_unlocked_days"]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def known(self, lock_ids: Collection[UUID]) -> Mapping[UUID, KnownPeriod]:
        """Return those of the locks of which anything is stored."""
        rows = await self._connection.fetch(SQL["known"], list(lock_ids))
        return {row["lock_id"]: KnownPeriod(**dict(row)) for row in rows}

    async def store_locks(self, locks: Sequence[PeriodLocked]) -> None:
        """Store locks; of one that is stored already, nothing changes."""
        names = ("lock_id", "org_id", "site_id", "starts_on", "ends_on", "made_by", "reason", "recorded_at")
        await self._execute_each("store_lock", locks, names)

    async def store_seals(self, seals: Sequence[PeriodSealed]) -> None:
        """Store seals; the first of a lock stays."""
        await self._execute_each("store_seal", seals, ("lock_id", "sealing_id", "person_count"))

    async def store_reopenings(self, reopenings: Sequence[PeriodReopened]) -> None:
        """Store reopenings; the first of a lock stays."""
        names = ("lock_id", "made_by", "reason", "recorded_at")
        await self._execute_each("store_reopening", reopenings, names)

    async def _execute_each(self, statement: str, events: Sequence[object], names: Sequence[str]) -> None:
        for event in events:
            await self._connection.execute(SQL[statement], *(getattr(event, name) for name in names))

    async def store_days(self, days: Sequence[DaysLocked]) -> None:
        """Store what stood at locks; what is stored already stays."""
        if not days:
            return
        first = {(each.lock_id, each.sealing_id, each.person_id): each for each in reversed(days)}
        rows = await self._connection.fetch(SQL["store_people"], *_side_by_side(first))
        new = [first[tuple(row)] for row in rows]
        await self._connection.copy_records_to_table(
            "locked_day",
            records=[_fields(each, day, KEPT_COLUMNS) for each in new for day in each.days],
            columns=("lock_id", "sealing_id", *KEPT_COLUMNS),
        )
        columns = LOCKED_ADJUSTMENT_COLUMNS[2:]
        await self._connection.copy_records_to_table(
            "locked_adjustment",
            records=[_fields(each, paid, columns) for each in new for paid in each.adjustments],
            columns=LOCKED_ADJUSTMENT_COLUMNS,
        )

    async def decide_force(self, lock_ids: Collection[UUID]) -> Mapping[UUID, bool]:
        """Decide which of the locks are in force; return those of which that changed."""
        rows = await self._connection.fetch(SQL["decide_force"], list(lock_ids))
        return {row["lock_id"]: row["in_force"] for row in rows}

    async def stale_days(self, lock_id: UUID) -> Sequence[PersonDates]:
        """Return the dates to compute again, of a lock that came in force or is in force no longer."""
        (lock,) = await self._connection.fetch(SQL["lock"], lock_id)
        rows = await self._connection.fetch(SQL["stale_days"], *lock.values())
        return [PersonDates(*row) for row in rows]

    async def forget_adjustments(self, lock_id: UUID, first_on: date | None) -> None:
        """Remove the adjustments of all dates that `stale_days` names, from this one on; None: all."""
        (lock,) = await self._connection.fetch(SQL["lock"], lock_id)
        names = ("lock_id", "sealing_id", "org_id", "site_id", "ends_on")
        await self._connection.execute(SQL["forget_adjustments"], *(lock[name] for name in names), first_on)

    async def in_force(self, org_ids: Collection[str], first_on: date) -> Sequence[StoredLock]:
        """Return the locks in force of these organisations that end on the date or later."""
        rows = await self._connection.fetch(SQL["in_force"], list(org_ids), first_on)
        return [_stored_lock(row) for row in rows]

    async def covered(self, lock_ids: Collection[UUID], person_ids: Collection[str]) -> set[tuple[UUID, str]]:
        """Return which of the people were recorded with which of the locks."""
        rows = await self._connection.fetch(SQL["covered"], list(lock_ids), list(person_ids))
        return {(row["lock_id"], row["person_id"]) for row in rows}

    async def organisations_of(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Return the organisation of those of whom locks in force recorded anything; of several, the last."""
        rows = await self._connection.fetch(SQL["organisations_of"], list(person_ids))
        return {row["person_id"]: row["org_id"] for row in rows}

    async def kept(self, spans: Sequence[LockedSpan]) -> Mapping[PersonKey, Figures]:
        """Return the days of spans as they were locked."""
        rows = await self._connection.fetch(SQL["kept"], *_locked_spans(spans)) if spans else []
        return {
            (person_id, on, ShiftId(shift_id)): Figures(Status(status), *minutes)
            for person_id, on, shift_id, status, *minutes in rows
        }

    async def recorded_adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans that were recorded with locks in force."""
        rows = await self._connection.fetch(SQL["recorded_adjustments"], *_spans(spans))
        return [_recorded(row) for row in rows]

    async def adjustments(self, spans: Sequence[PersonDates]) -> Sequence[AdjustmentRow]:
        """Return the adjustments of days in these spans, by day; first what is settled, oldest first."""
        rows = await self._connection.fetch(SQL["adjustments_of"], *_spans(spans))
        return [_recorded(row) for row in rows]

    async def restore(self, spans: Sequence[LockedSpan], days: Sequence[PersonDay]) -> None:
        """Make the days of these spans exactly those locked; `days` are those by the rules."""
        if not spans:
            return
        asked = _locked_spans(spans)
        undecided = [
            (
                each.person.person_id,
                each.day.attendance_on,
                each.day.shift_id,
                each.day.closes_at,
                each.day.absence,
            )
            for each in days
            if each.day.absence is not None
        ]
        await self._connection.execute(self._remove_unlocked_days, *asked, *dates_of(spans))
        await self._connection.execute(
            self._restore_days, *asked, *(_side_by_side(undecided) or ([], [], [], [], []))
        )

    async def replace_adjustments(self, spans: Sequence[PersonDates], rows: Sequence[AdjustmentRow]) -> None:
        """Make the adjustments of these dates exactly those given."""
        columns = _side_by_side(map(_adjustment_row, rows))
        await self._connection.execute(SQL["remove_adjustments"], *_spans(spans), *(columns[:4] or NO_KEYS))
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
        asked = (list(person_ids), lock.starts_on, lock.ends_on)
        for row in await self._connection.fetch(SQL["days_that_stand"], *asked):
            fields = dict(row)
            found.setdefault(fields.pop("person_id"), StoodThen()).days.append(LockedDay(**fields))
        for row in await self._connection.fetch(SQL["adjustments_that_stand"], *asked):
            fields = dict(row)
            stood = found.setdefault(fields.pop("person_id"), StoodThen())
            stood.adjustments.append(LockedAdjustment(**fields))
        return found


def _side_by_side(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Turn rows into columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def _spans(spans: Sequence[PersonDates]) -> list[list[object]]:
    return _side_by_side((span.person_id, span.first_on, span.last_on) for span in spans)


def _locked_spans(spans: Sequence[LockedSpan]) -> list[list[object]]:
    return _side_by_side(
        (span.person_id, span.first_on, span.last_on, span.lock_id, span.sealing_id) for span in spans
    )


def _fields(event: DaysLocked, row: LockedDay | LockedAdjustment, names: Sequence[str]) -> tuple[object, ...]:
    """Return a row of an event as its table has it."""
    common = {"person_id": event.person_id, "org_id": event.org_id}
    values = (common[name] if name in common else getattr(row, name) for name in names)
    return (event.lock_id, event.sealing_id, *values)


def _stored_lock(row: asyncpg.Record) -> StoredLock:
    made = Made(row["made_by"], row["reason"], row["recorded_at"], str(row["lock_id"]))
    lock = PeriodLock(str(row["lock_id"]), row["starts_on"], row["ends_on"], made)
    return StoredLock(lock, row["lock_id"], row["sealing_id"], row["org_id"], row["site_id"])


def _recorded(row: asyncpg.Record) -> AdjustmentRow:
    adjustment = Adjustment(
        attendance_on=row["attendance_on"],
        shift_id=ShiftId(row["shift_id"]),
        booked_on=row["booked_on"],
        status_from=_status(row["status_from"]),
        status_to=_status(row["status_to"]),
        worked_minutes=row["worked_minutes"],
        overtime_minutes=row["overtime_minutes"],
        late_minutes=row["late_minutes"],
        early_minutes=row["early_minutes"],
        break_minutes=row["break_minutes"],
        settled_by=None if row["lock_id"] is None else str(row["lock_id"]),
    )
    return AdjustmentRow(
        *(row["person_id"], row["org_id"], row["site_id"], adjustment), explanation=row["explanation"]
    )


def _status(text: str | None) -> Status | None:
    return None if text is None else Status(text)


def _adjustment_row(each: AdjustmentRow) -> tuple[object, ...]:
    """Return an adjustment as ADJUSTMENT_COLUMNS."""
    adjustment = each.adjustment
    return (
        each.person_id,
        adjustment.attendance_on,
        adjustment.shift_id,
        adjustment.booked_on,
        each.org_id,
        each.site_id,
        adjustment.status_from,
        adjustment.status_to,
        adjustment.worked_minutes,
        adjustment.overtime_minutes,
        adjustment.late_minutes,
        adjustment.early_minutes,
        adjustment.break_minutes,
        each.explanation or msgspec.json.encode(reasons_as_json(adjustment.explanation)).decode(),
        None if adjustment.settled_by is None else UUID(adjustment.settled_by),
        each.closes_at,
        each.absence,
    )

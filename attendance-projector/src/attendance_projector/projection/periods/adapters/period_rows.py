"""Locked periods and adjustments as rows: their columns, and what a row says."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from attendance_projector.domain.corrections import Made
from attendance_projector.domain.explanation import reasons_as_json
from attendance_projector.domain.facts import ShiftId
from attendance_projector.domain.periods import Adjustment, PeriodLock
from attendance_projector.domain.status import Status
from attendance_projector.projection.adapters.columns import side_by_side, spans_in_columns
from attendance_projector.projection.adapters.postgres_days import (
    DAY_COLUMNS,
    DAY_KEY,
    merging,
    removing,
)
from attendance_projector.projection.periods.stored import AdjustmentRow, LockedSpan, StoredLock
from attendance_projector.projection.stored import FactKey, PersonKey
from attendance_projector.store.sql import statements
from attendance_schemas.events import DaysLocked, LockedAdjustment, LockedDay

# What time and devices may still decide is no part of what was locked.
NOT_LOCKED = ("closes_at", "absence")
LOCKED_COLUMNS = tuple(name for name in DAY_COLUMNS if name not in NOT_LOCKED)
ADJUSTMENT_COLUMNS = {
    "org_id": "text",
    "person_id": "text",
    "attendance_on": "date",
    "shift_id": "text",
    "booked_on": "date",
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
RECORDED_ADJUSTMENT_COLUMNS = tuple(
    name for name in ADJUSTMENT_COLUMNS if name not in {"settled_by", *NOT_LOCKED}
)


def _updates(columns: Iterable[str], key: Collection[str]) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)


SQL = {
    name: text.format(
        locked=", ".join(f"day.{name}" for name in LOCKED_COLUMNS),
        kept=", ".join(f"{'why' if name == 'explanation' else 'day'}.{name}" for name in LOCKED_COLUMNS),
        adjustment_columns=", ".join(ADJUSTMENT_COLUMNS),
        adjustment_values=", ".join(
            f"${n}::{kind}[]" for n, kind in enumerate(ADJUSTMENT_COLUMNS.values(), 1)
        ),
        adjustment_updates=_updates(ADJUSTMENT_COLUMNS, (*DAY_KEY, "booked_on")),
    )
    for name, text in statements("periods").items()
}
RESTORE_DAYS = merging(SQL["locked_days"])
REMOVE_UNLOCKED_DAYS = removing(SQL["unlocked_days"], "$7", "$8")


def locked_spans_in_columns(spans: Sequence[LockedSpan]) -> list[list[object]]:
    """Return spans as columns: organisations, people, first and last dates, locks and their sealings."""
    locks = side_by_side((span.lock_id, span.sealing_id) for span in spans)
    return [*spans_in_columns(spans), *locks]


def event_row(
    event: DaysLocked, row: LockedDay | LockedAdjustment, names: Sequence[str]
) -> tuple[object, ...]:
    """Return a row of an event as its table has it."""
    common = {"person_id": event.person_id, "org_id": event.org_id}
    values = (common[name] if name in common else getattr(row, name) for name in names)
    return (event.lock_id, event.sealing_id, *values)


def stored_lock(row: asyncpg.Record) -> StoredLock:
    """Return the lock of a row."""
    made = Made(row["made_by"], row["reason"], row["recorded_at"], str(row["lock_id"]))
    lock = PeriodLock(str(row["lock_id"]), row["starts_on"], row["ends_on"], made)
    key = FactKey(row["org_id"], row["lock_id"])
    return StoredLock(lock, key, row["sealing_id"], row["site_id"])


def recorded_adjustment(row: asyncpg.Record) -> AdjustmentRow:
    """Return the adjustment of a row."""
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
    person = PersonKey(row["org_id"], row["person_id"])
    return AdjustmentRow(person, row["site_id"], adjustment, explanation=row["explanation"])


def _status(text: str | None) -> Status | None:
    return None if text is None else Status(text)


def adjustment_row(each: AdjustmentRow) -> tuple[object, ...]:
    """Return an adjustment as ADJUSTMENT_COLUMNS."""
    adjustment = each.adjustment
    return (
        *each.person,
        adjustment.attendance_on,
        adjustment.shift_id,
        adjustment.booked_on,
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

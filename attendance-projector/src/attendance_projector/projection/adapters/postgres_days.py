"""Attendance days and the places of punches in PostgreSQL: sent as arrays, merged as sets.

A day is a row of `attendance_day`. Its explanation, and whether it is open or undecided, lie in tables beside
it, which the same statement writes: see `merging` and `removing`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from uuid import UUID

import asyncpg
import msgspec

from attendance_projector.domain.absence import AbsenceBasis
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.projection.adapters.columns import side_by_side, spans_in_columns
from attendance_projector.projection.adapters.postgres_months import needing_months
from attendance_projector.projection.days.rule_inputs import as_punch
from attendance_projector.projection.days.stale_dates import FARTHEST_DAY
from attendance_projector.projection.stored import (
    PersonDates,
    PersonDay,
    PersonInstants,
    PersonKey,
    Place,
    StoredPunch,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements

SQL = statements("days")
# Columns in the order of `day_row`, with the types in which the server reads their arrays.
DAY_COLUMNS = {
    "org_id": "text",
    "person_id": "text",
    "attendance_on": "date",
    "shift_id": "text",
    "site_id": "text",
    "status": "text",
    "worked_minutes": "integer",
    "first_in_at": "timestamptz",
    "last_out_at": "timestamptz",
    "late": "boolean",
    "late_minutes": "integer",
    "early": "boolean",
    "early_minutes": "integer",
    "missing": "text",
    "open_since": "timestamptz",
    "punch_count": "integer",
    "explanation": "jsonb",
    "shift_effective_on": "date",
    "break_minutes": "integer",
    "overtime_minutes": "integer",
    "closes_at": "timestamptz",
    "absence": "text",
}
DAY_KEY = ("org_id", "person_id", "attendance_on", "shift_id")
KEPT_BESIDE = ("explanation", "closes_at", "absence")
# Each table of days, with the columns that are copied into it, and without which a day has no row there.
COPIED = {
    "attendance_day": (tuple(name for name in DAY_COLUMNS if name not in KEPT_BESIDE), "status"),
    "day_explanation": ((*DAY_KEY, "explanation"), "explanation"),
    "open_day": ((*DAY_KEY, "site_id", "open_since"), "open_since"),
    "unsettled_day": ((*DAY_KEY, "closes_at", "absence"), "absence"),
}
_SAME_KEY = " AND ".join(f"stored.{name} = given.{name}" for name in DAY_KEY)
_COLUMNS = ", ".join(DAY_COLUMNS)
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(DAY_COLUMNS.values(), start=1))


@dataclass(frozen=True, slots=True)
class DayStatement:
    """A statement that writes `attendance_day`, and the parts of its WITH, which write what lies beside."""

    beside: str
    days: str

    def __str__(self) -> str:
        """Return the whole."""
        return f"WITH {self.beside} {self.days}"


def merging(given: str) -> DayStatement:
    """Return the statement that stores the days of a query: those of DAY_COLUMNS that it gives."""
    key, (columns, _) = ", ".join(DAY_KEY), COPIED["attendance_day"]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in DAY_KEY)
    beside = SQL["keep_beside"].format(key=key, same_key=_SAME_KEY)
    merge = SQL["merge_days"].format(key=key, columns=", ".join(columns), updates=updates)
    return DayStatement(f"given AS ({given}), {beside}", merge)


def removing(given: str, first_on: str, last_on: str) -> DayStatement:
    """Return the statement that removes the days whose keys a query gives, between two dates."""
    values = {"same_key": _SAME_KEY, "first_on": first_on, "last_on": last_on}
    beside = SQL["forget_beside"].format(**values)
    return DayStatement(f"given AS ({given}), {beside}", SQL["remove_days"].format(**values))


MERGE_FEW_DAYS = merging(SQL["days_in_arrays"].format(values=_ARRAYS, columns=_COLUMNS))
MERGE_STAGED_DAYS = merging(SQL["staged_days"].format(columns=_COLUMNS))
REMOVE_DAYS = removing(SQL["days_by_key"].format(key=", ".join(DAY_KEY)), "$5", "$6")
# As arrays, a day takes this service twice the time of a COPY; fewer are not worth a table to be emptied.
MANY_DAYS = 200


class PostgresDays:
    """`Days` within one transaction."""

    _merge_few_days = str(MERGE_FEW_DAYS)
    _merge_staged_days = str(MERGE_STAGED_DAYS)
    _remove_days = str(REMOVE_DAYS)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def extents(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, PersonDates]:
        """Return the dates around all punches, days and overrides of those people who have any."""
        if not (asked := side_by_side(people)):
            return {}
        rows = await self._connection.fetch(SQL["extents"], *asked, FARTHEST_DAY.days)
        return by_person(rows)

    async def punches(self, spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return the punches of people in their spans, which do not overlap."""
        if not spans:
            return []
        firsts, lasts = [span.first_at for span in spans], [span.last_at for span in spans]
        rows = await self._connection.fetch(
            SQL["punches_of_spans"],
            *side_by_side(span.person for span in spans),
            firsts,
            lasts,
            min(firsts),
            max(lasts),
        )
        return [_stored_punch(row) for row in rows]

    async def replace(self, spans: Sequence[PersonDates], days: Sequence[PersonDay]) -> None:
        """Make the days of these dates exactly the days given."""
        if not spans:
            return
        first_on, last_on = min(span.first_on for span in spans), max(span.last_on for span in spans)
        stored = await self._connection.fetch(
            SQL["days_of_spans"],
            *spans_in_columns(spans),
            first_on,
            last_on,
        )
        computed = {(*each.person.key, each.day.attendance_on, each.day.shift_id) for each in days}
        if vanished := [tuple(row) for row in stored if tuple(row) not in computed]:
            await self._connection.execute(self._remove_days, *side_by_side(vanished), first_on, last_on)
        with needing_months(each.day.attendance_on for each in days):
            await self._merge(days)

    async def _merge(self, days: Sequence[PersonDay]) -> None:
        if len(days) >= MANY_DAYS:
            await self._connection.copy_records_to_table(
                "staged_day", records=[day_row(each) for each in days], columns=tuple(DAY_COLUMNS)
            )
            await self._connection.execute(self._merge_staged_days)
        elif days:
            await self._connection.execute(self._merge_few_days, *side_by_side(map(day_row, days)))

    async def move_punches(self, places: Sequence[tuple[StoredPunch, Place]]) -> None:
        """Give stored punches another place."""
        if not places:
            return
        rows = [
            (
                each.person.org_id,
                UUID(each.punch.punch_id),
                each.punch.occurred_at,
                place.placement,
                place.placed_on,
                place.placed_shift_id,
            )
            for each, place in places
        ]
        instants = [each.punch.occurred_at for each, _ in places]
        await self._connection.execute(SQL["move_punches"], *side_by_side(rows), min(instants), max(instants))


def by_person(rows: Iterable[asyncpg.Record]) -> dict[PersonKey, PersonDates]:
    """Return rows of organisation, person, first and last date, by person."""
    spans = (PersonDates(PersonKey(org_id, person_id), *dates) for org_id, person_id, *dates in rows)
    return {span.person: span for span in spans}


def _stored_punch(row: asyncpg.Record) -> StoredPunch:
    punch = as_punch(row["punch_id"], row["occurred_at"], row["direction"], row["method"])
    place = Place(row["placement"], row["placed_on"], row["placed_shift_id"])
    return StoredPunch(punch, PersonKey(row["org_id"], row["person_id"]), place)


def day_row(each: PersonDay) -> tuple[object, ...]:
    """Return a day as DAY_COLUMNS."""
    person, day = each.person, each.day
    return (
        *person.key,
        day.attendance_on,
        day.shift_id,
        person.terms.on(day.attendance_on).home_site_id,
        day.status,
        day.worked_minutes,
        day.first_in_at,
        day.last_out_at,
        day.late,
        day.late_minutes,
        day.early,
        day.early_minutes,
        day.missing,
        day.open_since,
        len(day.punches),
        msgspec.json.encode(day.explanation).decode(),
        day.shift_effective_on,
        day.break_minutes,
        day.overtime_minutes,
        *undecided(day),
    )


def undecided(day: AttendanceDay) -> tuple[datetime | None, AbsenceBasis | None]:
    """Return when the window of a day closes and what decides it; nothing once that is for ever."""
    return (None, None) if day.absence is AbsenceBasis.SETTLED else (day.closes_at, day.absence)


async def copy_days(connection: Connection, days: Sequence[PersonDay]) -> None:
    """Copy days of which nothing is stored yet, each into its tables."""
    rows = [day_row(each) for each in days]
    names = list(DAY_COLUMNS)
    for table, (columns, needed) in COPIED.items():
        is_there, pick = names.index(needed), itemgetter(*map(names.index, columns))
        if records := [pick(row) for row in rows if row[is_there] is not None]:
            with needing_months(each.day.attendance_on for each in days):
                await connection.copy_records_to_table(table, records=records, columns=columns)

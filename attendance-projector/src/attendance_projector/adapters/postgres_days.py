"""Attendance days and the places of punches in PostgreSQL: copied to staging tables, merged as sets."""

import json
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg

from attendance_projector.adapters.connection import Connection
from attendance_projector.adapters.sql import statements
from attendance_projector.domain.facts import Direction, Punch, PunchId
from attendance_projector.ports import PersonDates, PersonDay, PersonInstants, Place, StoredPunch
from attendance_projector.scenario import explanation_as_json

SQL = statements("days")
DAY_COLUMNS = (
    "person_id",
    "attendance_on",
    "shift_id",
    "org_id",
    "site_id",
    "status",
    "worked_minutes",
    "first_in_at",
    "last_out_at",
    "late",
    "late_minutes",
    "early",
    "early_minutes",
    "missing",
    "open_since",
    "punch_count",
    "explanation",
    "shift_effective_on",
    "break_minutes",
    "overtime_minutes",
)


class PostgresDays:
    """`Days` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def punch_extents(self, person_ids: Iterable[str]) -> Mapping[str, PersonInstants]:
        """Return the instants of the first and last punch of those people who have any."""
        asked = list(person_ids)
        rows = await self._connection.fetch(SQL["punch_extents"], asked) if asked else []
        return {row["person_id"]: PersonInstants(*row) for row in rows}

    async def punches(self, spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return the punches of people in their spans, which do not overlap."""
        if not spans:
            return []
        firsts, lasts = [span.first_at for span in spans], [span.last_at for span in spans]
        rows = await self._connection.fetch(
            SQL["punches_of_spans"],
            [span.person_id for span in spans],
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
        await self._connection.execute(SQL["empty_staging"])
        await self._connection.copy_records_to_table(
            "staged_span", records=[(span.person_id, span.first_on, span.last_on) for span in spans]
        )
        await self._connection.copy_records_to_table(
            "staged_day", records=[_day_row(each) for each in days], columns=DAY_COLUMNS
        )
        first_on, last_on = min(span.first_on for span in spans), max(span.last_on for span in spans)
        await self._connection.execute(SQL["remove_vanished_days"], first_on, last_on)
        await self._connection.execute(SQL["merge_days"])

    async def move_punches(self, places: Sequence[tuple[StoredPunch, Place]]) -> None:
        """Give stored punches another place."""
        if not places:
            return
        await self._connection.copy_records_to_table(
            "staged_placement",
            records=[
                (
                    UUID(each.punch.punch_id),
                    each.punch.occurred_at,
                    place.placement,
                    place.placed_on,
                    place.placed_shift_id,
                )
                for each, place in places
            ],
        )
        instants = [each.punch.occurred_at for each, _ in places]
        await self._connection.execute(SQL["move_punches"], min(instants), max(instants))


def _stored_punch(row: asyncpg.Record) -> StoredPunch:
    direction = None if row["direction"] is None else Direction(row["direction"].lower())
    punch = Punch(PunchId(str(row["punch_id"])), row["occurred_at"], direction, row["method"])
    return StoredPunch(
        punch, row["person_id"], Place(row["placement"], row["placed_on"], row["placed_shift_id"])
    )


def _day_row(each: PersonDay) -> tuple[object, ...]:
    person, day = each.person, each.day
    return (
        person.person_id,
        day.attendance_on,
        day.shift_id,
        person.org_id,
        person.home_site_id,
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
        json.dumps(explanation_as_json(day), ensure_ascii=False),
        day.shift_effective_on,
        day.break_minutes,
        day.overtime_minutes,
    )

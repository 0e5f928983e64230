"""Days of the live read model: what is written is told, by the statement that writes it.

The statements are those of `PostgresDays`. PostgreSQL returns each row as it was and as it is, and the same
statement puts what changed into the outbox: nothing is read twice and nothing travels.
"""

from attendance_projector.projection.adapters.postgres_days import (
    DAY_KEY,
    MERGE_FEW_DAYS,
    MERGE_STAGED_DAYS,
    REMOVE_DAYS,
    DayStatement,
    PostgresDays,
)
from attendance_projector.projection.periods.adapters.period_rows import REMOVE_UNLOCKED_DAYS, RESTORE_DAYS
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.store.sql import statements
from attendance_schemas.topics import CHANGES

SQL = statements("change_feed")


def state_of(row: str) -> str:
    """Return the SQL of what is told of a row that may be missing."""
    return f"CASE WHEN {row}.person_id IS NOT NULL THEN {SQL['day_state'].format(row=row)} END"


def telling(statement: str, before: str = "") -> str:
    """Return the SQL that tells the days of a statement: org_id, their keys, `day` and `previous`.

    before: parts of a WITH that the statement reads, each with its comma.
    """
    return SQL["tell_days"].format(statement=statement, before=before, topic=CHANGES.name)


def _telling_merged(statement: DayStatement) -> str:
    return _telling_days(statement, "new", state_of("new"), state_of("old"))


def _telling_removed(statement: DayStatement) -> str:
    return _telling_days(statement, "stored", "NULL::json", state_of("stored"))


def _telling_days(statement: DayStatement, identity_of: str, day: str, previous: str) -> str:
    identity = ", ".join(f"{identity_of}.{column}" for column in DAY_KEY)
    returning = f"RETURNING {identity}, {day} AS day, {previous} AS previous"
    return telling(f"{statement.days}\n{returning}", f"{statement.beside}, ")


class PostgresToldDays(PostgresDays):
    """`Days` within one transaction of the live projector."""

    _merge_few_days = _telling_merged(MERGE_FEW_DAYS)
    _merge_staged_days = _telling_merged(MERGE_STAGED_DAYS)
    _remove_days = _telling_removed(REMOVE_DAYS)


class PostgresToldPeriods(PostgresPeriods):
    """`Periods` within one transaction of the live projector."""

    _restore_days = _telling_merged(RESTORE_DAYS)
    _remove_unlocked_days = _telling_removed(REMOVE_UNLOCKED_DAYS)

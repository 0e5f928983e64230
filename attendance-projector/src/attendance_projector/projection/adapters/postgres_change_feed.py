"""Days of the live read model: what is written is told, by the statement that writes it.

The statements are those of `PostgresDays`. PostgreSQL returns each row as it was and as it is, and the same
statement puts what changed into the outbox: nothing is read twice and nothing travels.
"""

from attendance_projector.projection.adapters.postgres_days import (
    MERGE_FEW_DAYS,
    MERGE_STAGED_DAYS,
    STAGED_DAYS,
    PostgresDays,
)
from attendance_projector.projection.adapters.postgres_days import SQL as DAYS
from attendance_projector.projection.periods.adapters.period_rows import SQL as PERIODS
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.store.sql import statements
from attendance_schemas.topics import CHANGES

SQL = statements("change_feed")
IDENTITY = ("org_id", "person_id", "attendance_on", "shift_id")


def state_of(row: str) -> str:
    """Return the SQL of what is told of a row that may be missing."""
    return f"CASE WHEN {row}.person_id IS NOT NULL THEN {SQL['day_state'].format(row=row)} END"


def telling(statement: str, before: str = "") -> str:
    """Return the SQL that tells the days of a statement: org_id, their keys, `day` and `previous`.

    before: parts of a WITH that the statement reads, each with its comma.
    """
    return SQL["tell_days"].format(statement=statement, before=before, topic=CHANGES.name)


def _returning(statement: str, identity_of: str, day: str, previous: str) -> str:
    identity = ", ".join(f"{identity_of}.{column}" for column in IDENTITY)
    return f"{statement.rstrip(';')}\nRETURNING {identity}, {day} AS day, {previous} AS previous"


class PostgresToldDays(PostgresDays):
    """`Days` within one transaction of the live projector."""

    _merge_few_days = telling(_returning(MERGE_FEW_DAYS, "new", state_of("new"), state_of("old")))
    _merge_staged_days = telling(
        _returning(MERGE_STAGED_DAYS, "new", state_of("new"), state_of("old")), f"{STAGED_DAYS}, "
    )
    _remove_days = telling(_returning(DAYS["remove_days"], "day", "NULL::json", state_of("day")))


class PostgresToldPeriods(PostgresPeriods):
    """`Periods` within one transaction of the live projector."""

    _restore_days = telling(_returning(PERIODS["restore_days"], "new", state_of("new"), state_of("old")))
    _remove_unlocked_days = telling(
        _returning(PERIODS["remove_unlocked_days"], "day", "NULL::json", state_of("day"))
    )

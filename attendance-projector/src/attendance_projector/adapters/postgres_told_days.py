"""Days of the live read model: whatever is written is told, by the statement that writes it.

The statements are those of `PostgresDays`. PostgreSQL returns each row as it was and as it is, and the same
statement puts what changed into the outbox: nothing is read twice and nothing travels.
"""

from attendance_projector.adapters.postgres_days import MERGE_DAYS, PostgresDays
from attendance_projector.adapters.postgres_days import SQL as DAYS
from attendance_projector.adapters.postgres_periods import SQL as PERIODS
from attendance_projector.adapters.postgres_periods import PostgresPeriods
from attendance_projector.adapters.sql import statements
from attendance_schemas.topics import CHANGES

SQL = statements("outbox")
IDENTITY = ("org_id", "person_id", "attendance_on", "shift_id")


def _state(row: str) -> str:
    return f"CASE WHEN {row}.person_id IS NOT NULL THEN {SQL['day_state'].format(row=row)} END"


def _telling(statement: str, identity_of: str, day: str, previous: str) -> str:
    columns = [
        *(f"{identity_of}.{column}" for column in IDENTITY),
        f"{day} AS day",
        f"{previous} AS previous",
    ]
    return SQL["tell_days"].format(statement=statement, returning=", ".join(columns), topic=CHANGES.name)


class PostgresToldDays(PostgresDays):
    """`Days` within one transaction of the live projector."""

    _merge_days = _telling(MERGE_DAYS.rstrip(";"), "new", _state("new"), _state("old"))
    _remove_days = _telling(DAYS["remove_days"].rstrip(";"), "day", "NULL::json", _state("day"))


class PostgresToldPeriods(PostgresPeriods):
    """`Periods` within one transaction of the live projector."""

    _restore_days = _telling(PERIODS["restore_days"].rstrip(";"), "new", _state("new"), _state("old"))
    _remove_unlocked_days = _telling(
        PERIODS["remove_unlocked_days"].rstrip(";"), "day", "NULL::json", _state("day")
    )

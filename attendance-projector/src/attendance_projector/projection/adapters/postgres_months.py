"""Room for rows: monthly partitions are made where rows are to be stored, and for nothing else.

Which months facts need is known before they are applied. Which months days need comes out only when they
are computed: a policy since ever makes days for those alone whom it expects. So a transaction that finds no
partition for its days ends with `MonthsMissing`, and begins again once they are made: in transactions of
their own, since one that makes partitions keeps others from doing so until its end.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import asyncpg

from attendance_projector.domain.retention import month_of
from attendance_projector.store.connection import Connection
from attendance_projector.store.postgres_errors import is_of_missing_partition
from attendance_projector.store.sql import statements

SQL = statements("positions")
# A transaction holds a lock for each table and index that it makes; the server has room for some thousands.
MONTHS_AT_ONCE = 12


class MonthsMissing(Exception):
    """Days are to be stored in months that have no partitions; make them, then begin again."""

    def __init__(self, dates: Iterable[date]) -> None:
        self.months = frozenset(map(month_of, dates))
        super().__init__(f"no partitions for days of {', '.join(map(str, sorted(self.months)))}")


@contextmanager
def needing_months(dates: Iterable[date]) -> Iterator[None]:
    """Raise MonthsMissing, naming the months of these dates, where there is no partition for a day."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if is_of_missing_partition(error):
            raise MonthsMissing(dates) from error
        raise


async def make_months(connection: Connection, facts: Iterable[date], days: Iterable[date]) -> None:
    """Make the partitions for facts of these UTC dates and for days of these, a year in each transaction.

    Months that are not kept, or before the first date of the installation, are never made.
    """
    for part in _parts(facts):
        await connection.execute(SQL["ensure_partitions"], part, [])
    for part in _parts(days):
        await connection.execute(SQL["ensure_partitions"], [], part)


def _parts(dates: Iterable[date]) -> Iterator[Sequence[date]]:
    months = sorted(set(map(month_of, dates)))
    for start in range(0, len(months), MONTHS_AT_ONCE):
        yield months[start : start + MONTHS_AT_ONCE]

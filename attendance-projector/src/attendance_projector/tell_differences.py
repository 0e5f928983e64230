"""Tell followers of the change feed which days are others than before the last switch or rollback.

The switch itself tells nobody: comparing all days would keep readers waiting. So it comes afterwards, a few
people at a time, each with the locks of whoever computes their days: what is told of a person then is how the
live tables stand. A day that facts changed since the switch is told once more, which followers know by its
revision to be the newest. Begun again after a kill, it tells what it had told before again.
"""

from collections.abc import Callable
from datetime import timedelta

from attendance_projector.adapters.postgres_positions import PostgresPositions
from attendance_projector.adapters.postgres_rebuild import LIVE, PREVIOUS, RebuildSchemas
from attendance_projector.adapters.postgres_told_days import SQL, state_of, telling
from attendance_projector.adapters.sql import statements
from attendance_projector.errors import RebuildRefused
from attendance_projector.migrate import head, revision_of

PEOPLE_AT_ONCE = 200
LONGEST_MONTH = timedelta(days=31)
NAMES = {"live": LIVE, "previous": PREVIOUS, "day": state_of("new"), "before": state_of("old")}


async def tell_differences(schemas: RebuildSchemas, told: Callable[[int], None]) -> int:
    """Return how many days were told; `told` hears of each part. Raises RebuildRefused."""
    connection = schemas.connection
    if not await schemas.exists(PREVIOUS) or await revision_of(connection, PREVIOUS) != head():
        raise RebuildRefused(f"there are no tables of this version in {PREVIOUS} to compare with")
    tell_days = telling(SQL["differing_days"].format(**NAMES))
    count = 0
    for month, people in await connection.fetch(SQL["differing_people"].format(**NAMES)):
        last_on = (month + LONGEST_MONTH).replace(day=1) - timedelta(days=1)
        for start in range(0, len(people), PEOPLE_AT_ONCE):
            some = people[start : start + PEOPLE_AT_ONCE]
            async with connection.transaction():
                await connection.execute(f"SET LOCAL search_path TO {LIVE}, pg_temp")
                await connection.execute(statements("positions")["share_switch"])
                positions = PostgresPositions(connection)
                await positions.join_everyone()
                await positions.lock_people(some)
                part = int((await connection.execute(tell_days, some, month, last_on)).split()[-1])
            told(part)
            count += part
    return count

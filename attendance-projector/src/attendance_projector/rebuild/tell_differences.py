"""Tell followers of the change feed which days are others than before the last switch or rollback.

The switch itself tells nobody: comparing all days would keep readers waiting. So it comes afterwards, a few
people at a time, each with the locks of whoever computes their days: what is told of a person then is how the
live tables stand. A day that facts changed since the switch is told once more, which followers know by its
revision to be the newest. Begun again after a kill, it tells what it had told before again.

1. compare   everybody's days, once; who has others is kept by the server, beside this connection
2. wait      until little is left to be published, so that news of today do not queue behind old days
3. tell      some people of one month, and forget them, in one transaction; then again from 2

Months that either of the two has lost to retention are not compared: no day changed because they are gone.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from attendance_projector.errors import RebuildRefused
from attendance_projector.projection.adapters.postgres_positions import PostgresPositions
from attendance_projector.projection.adapters.postgres_told_days import SQL, state_of, telling
from attendance_projector.rebuild.adapters.postgres_schemas import LIVE, PREVIOUS, PostgresSchemas
from attendance_projector.store.migrate import head, revision_of
from attendance_projector.store.sql import statements

LONGEST_MONTH = timedelta(days=31)
LOOKS_EVERY = timedelta(seconds=0.1)
NAMES = {"live": LIVE, "previous": PREVIOUS, "day": state_of("new"), "before": state_of("old")}
TELL_DAYS = telling(SQL["differing_days"].format(**NAMES))


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is told at a time.

    rows_waiting: days join the outbox while fewer wait. A relay publishes some 3,000 a second, so whatever
    comes next waits for about 5 s at most. patience: how long nothing at all may be published meanwhile.
    """

    people_at_once: int = 200
    rows_waiting: int = 10_000
    patience: timedelta = timedelta(seconds=60)


class Steps(Protocol):
    """Hears how it goes on."""

    def step(self, name: str, total: int) -> None:
        """A step begins; so many units are to do."""

    def advance(self, count: int) -> None:
        """So many units are done."""


async def tell_differences(schemas: PostgresSchemas, progress: Steps, pace: Pace | None = None) -> int:
    """Return how many days were told. Raises RebuildRefused, also when nobody publishes what waits."""
    connection, pace = schemas.connection, pace or Pace()
    if not await schemas.exists(PREVIOUS) or await revision_of(connection, PREVIOUS) != head():
        raise RebuildRefused(f"there are no tables of this version in {PREVIOUS} to compare with")
    kept = [(await schemas.retention(each)).days_from for each in (LIVE, PREVIOUS)]
    await connection.execute(SQL["make_differing"])
    await connection.execute(
        SQL["find_differing"].format(**NAMES), max((each for each in kept if each is not None), default=None)
    )
    progress.step("tell", await connection.fetchval(SQL["count_differing"]))
    count = 0
    while found := await connection.fetch(SQL["next_differing"], pace.people_at_once):
        for month, people in found:
            await _room(schemas, pace, count)
            count += await _tell(schemas, month, people)
            progress.advance(len(people))
    return count


async def _tell(schemas: PostgresSchemas, month: date, people: list[str]) -> int:
    connection = schemas.connection
    last_on = (month + LONGEST_MONTH).replace(day=1) - timedelta(days=1)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path TO {LIVE}, pg_temp")
        await connection.execute(statements("positions")["share_switch"])
        positions = PostgresPositions(connection)
        await positions.join_everyone()
        await positions.lock_people(people)
        told = await connection.execute(TELL_DAYS, people, month, last_on)
        await connection.execute(SQL["forget_differing"], month, people)
    return int(told.split()[-1])


async def _room(schemas: PostgresSchemas, pace: Pace, told: int) -> None:
    """Return once there is room in the outbox. Raises RebuildRefused when nothing of it goes."""
    clock = asyncio.get_running_loop().time
    oldest: int | None = None
    since = clock()
    while True:
        query = SQL["waiting"].format(live=LIVE)
        ((waiting, first),) = await schemas.connection.fetch(query, pace.rows_waiting)
        if waiting < pace.rows_waiting:
            return
        if first != oldest:
            oldest, since = first, clock()
        elif clock() - since > pace.patience.total_seconds():
            raise RebuildRefused(
                f"{waiting} events or more wait in the outbox, and nobody has published any for "
                f"{pace.patience.total_seconds():.0f} s; {told} days that differ were told, and not all. "
                "See that an attendance-projector runs and that Kafka and the registry answer, then run "
                "`rebuild --tell-differences`: it tells all of them, again if need be"
            )
        await asyncio.sleep(LOOKS_EVERY.total_seconds())

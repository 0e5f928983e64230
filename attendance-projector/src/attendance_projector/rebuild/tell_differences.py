"""Tell followers of the change feed which days are others than before the last switch or rollback.

The switch itself tells nobody: comparing all days would keep readers waiting. So it comes afterwards, a few
people at a time, under the locks that computing their days takes: what is told of a person then is how the
live tables stand. A day that facts changed since the switch is told once more; followers know by its
revision that it is the newest. Begun again after a kill, it tells what it had told before again.

1. compare   everybody's days, once; the server remembers who has others, beside this connection
2. wait      until little is left to be published, so that news of today do not queue behind old days
3. tell      some people of one month, and forget them, in one transaction; then again from 2

Months that either of the two has lost to retention are not compared: no day changed because they are gone.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from attendance_projector.errors import RebuildRefused
from attendance_projector.rebuild.ports import DifferingDays, Steps

LOOKS_EVERY = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is told at a time.

    rows_waiting: days join the outbox while fewer wait. A relay publishes some 3,000 a second, so what
    comes next waits for about 5 s at most. patience: how long nothing at all may be published meanwhile.
    """

    people_at_once: int = 200
    rows_waiting: int = 10_000
    patience: timedelta = timedelta(seconds=60)


async def tell_differences(differing: DifferingDays, progress: Steps, pace: Pace | None = None) -> int:
    """Return how many days were told. Raises RebuildRefused, also when nobody publishes what waits."""
    pace = pace or Pace()
    progress.step("tell", await differing.find())
    count = 0
    while found := await differing.of_some_people(pace.people_at_once):
        for month, people in found:
            await _room(differing, pace, count)
            count += await differing.tell(month, people)
            progress.advance(len(people))
    return count


async def _room(differing: DifferingDays, pace: Pace, told: int) -> None:
    """Return once there is room in the outbox. Raises RebuildRefused when nothing of it goes."""
    clock = asyncio.get_running_loop().time
    oldest: int | None = None
    since = clock()
    while True:
        waiting, first = await differing.waiting(pace.rows_waiting)
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

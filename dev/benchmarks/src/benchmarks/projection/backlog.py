"""A shift of many days changes under live facts: how long does anybody wait?

`python -m benchmarks.projection.backlog [--people N] [--days N]`. 500 people have worked 200 days, unless
told otherwise. Captures go on coming, twenty a second, half of them of these people, while another version
of their shift makes all days stale: first left alone, then with the projector killed half-way and started
again. Exit code 1 unless every day is right in the end, the killed one went on where it was, and no fact of
the first run waited longer than 2 s until its row was there.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from uuid import uuid4

import asyncpg
import msgspec

from attendance_schemas.events import MatchDecided, ShiftRecorded
from attendance_schemas.topics import DIRECTORY, MATCHES
from benchmarks.projection.facts import directory, matches, person_id
from benchmarks.projection.service import PROJECTOR, Plant, patience, prepared, say, until_even
from local_stack.for_tests.databases import create_database, drop_database
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder

PEOPLE, DAYS = 500, 200
FIRST_ON = date(2025, 1, 6)
LIVE_PAUSE_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
LEFT = "SELECT count(*) FROM attendance.stale_span"
ALL_DAYS = "SELECT count(*) FROM attendance.attendance_day"
LATE = "SELECT count(*) FROM attendance.attendance_day WHERE late"
WAITS = """
    SELECT count(*), coalesce(extract(epoch FROM max(projected_at - received_at)), 0)::float8
    FROM attendance.capture WHERE received_at > $1
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One change of the shift. `late_days` afterwards; what was left at the kill and at the restart."""

    seconds: float
    late_days: int
    live_count: int
    longest_wait: float
    left_at_kill: int = 0
    left_at_restart: int = 0

    def __str__(self) -> str:
        killed = f" left_at_kill={self.left_at_kill} left_at_restart={self.left_at_restart}"
        return (
            f"days={self.late_days} seconds={self.seconds:.1f} live_facts={self.live_count} "
            f"longest_wait_s={self.longest_wait:.2f}{killed if self.left_at_kill else ''}"
        )


def history(people: int, days: int) -> Iterator[MatchDecided]:
    """Yield two captures a day of everybody, 09:00 and 17:00 in Berlin's winter time."""
    like = next(matches(people, 1))
    for day in range(days):
        for hour in (8, 16):
            at = datetime.combine(FIRST_ON + timedelta(days=day), clock_time(hour), UTC)
            for number in range(people):
                yield capture(like, at + timedelta(seconds=number), person_id(number))


def capture(like: MatchDecided, at: datetime, person: str) -> MatchDecided:
    """Return a capture of a person."""
    return msgspec.structs.replace(
        like, event_id=uuid4(), capture_id=uuid4(), occurred_at=at, received_at=at, person_id=person
    )


def shift(late_grace_minutes: int | None) -> ShiftRecorded:
    """Return the shift of everybody, 08:00 to 17:00; with a grace, everybody is late."""
    (like,) = (each for each in directory(1) if isinstance(each, ShiftRecorded) and each.shift_id == "day")
    return msgspec.structs.replace(like, event_id=uuid4(), late_grace_minutes=late_grace_minutes)


async def go_on(plant: Plant, people: int) -> None:
    """Send captures until cancelled; every other one is of somebody whose days are not concerned."""
    like, number = next(matches(people, 1)), 0
    while True:
        number += 1
        person = person_id(number % people) if number % 2 else f"visitor-{number}"
        plant.send(capture(like, datetime.now(UTC), person), MATCHES)
        await asyncio.sleep(LIVE_PAUSE_SECONDS)


@asynccontextmanager
async def projector(environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a projector; stop it afterwards unless it was killed."""
    process = await asyncio.create_subprocess_exec(*PROJECTOR, "run", env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def until(connection: asyncpg.Connection, question: str, *, is_below: int) -> int:
    """Return the answer once it is below. Raises TimeoutError."""
    async with asyncio.timeout(300):
        while (found := await connection.fetchval(question)) >= is_below:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return int(found)


async def change(
    plant: Plant,
    connection: asyncpg.Connection,
    environ: dict[str, str],
    event: ShiftRecorded,
    *,
    people: int,
    kill: bool,
) -> Run:
    """Change the shift under live facts and wait until every day is computed."""
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(projector(environ))
        await until_even(connection, plant, [process.pid], 120)
        live = asyncio.create_task(go_on(plant, people))
        # The service has joined its group once it has applied what comes now.
        began_at = datetime.now(UTC)
        async with asyncio.timeout(120):
            while not await connection.fetchval(WAITS, began_at):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        began_at, began = datetime.now(UTC), time.monotonic()
        plant.publish([event], DIRECTORY)
        async with asyncio.timeout(60):
            while not (spans := await connection.fetchval(LEFT)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        left = restarted = 0
        if kill:
            await until(connection, LEFT, is_below=spans // 2)
            process.kill()
            await process.wait()
            left = await connection.fetchval(LEFT)
            process = await stack.enter_async_context(projector(environ))
            restarted = await until(connection, LEFT, is_below=left)
        await until(connection, LEFT, is_below=1)
        seconds = time.monotonic() - began
        live.cancel()
        plant.flush()
        await until_even(connection, plant, [process.pid], patience(0))
        ((count, longest),) = await connection.fetch(WAITS, began_at)
    return Run(seconds, await connection.fetchval(LATE), count, longest, left, restarted)


async def measure(stack: Stack, people: int, days: int) -> bool:
    """Do both runs and print them; return whether all was as it should be."""
    database = await create_database(stack.env)
    connection = await asyncpg.connect(database.url)
    try:
        async with prepared(stack.env, database) as ready:
            plant = ready.plant
            everybody = [each for each in directory(people) if getattr(each, "shift_id", "day") == "day"]
            plain = [
                msgspec.structs.replace(each, home_site_id="site-2", default_shift_id="day")
                if hasattr(each, "home_site_id")
                else each
                for each in everybody
                if not hasattr(each, "roster_id") and not isinstance(each, ShiftRecorded)
            ]
            plant.publish([*plain, shift(None)], DIRECTORY)
            plant.publish(history(people, days), MATCHES)
            async with projector(ready.environ) as process:
                await until_even(connection, plant, [process.pid], patience(plant.sent))
                # Captures that came before their people wait there.
                await until(connection, LEFT, is_below=1)
            say(f"{await connection.fetchval(ALL_DAYS)} days")
            alone = await change(plant, connection, ready.environ, shift(10), people=people, kill=False)
            say(f"alone: {alone}")
            back = await change(plant, connection, ready.environ, shift(None), people=people, kill=True)
            say(f"killed: {back}")
    finally:
        await connection.close()
        await drop_database(stack.env, database.name)
    went_on = back.left_at_kill > 0 and back.left_at_restart >= back.left_at_kill - people // 5
    is_well = alone.late_days >= people * days and not back.late_days and went_on
    is_well &= alone.longest_wait < LONGEST_WAIT_SECONDS
    say(
        f"backlog {'ok' if is_well else 'FAILED'}: days={people * days} seconds={alone.seconds:.1f} "
        f"longest_wait_s={alone.longest_wait:.2f} killed_seconds={back.seconds:.1f} "
        f"left_at_kill={back.left_at_kill} left_at_restart={back.left_at_restart}"
    )
    return is_well


def main() -> int:
    """Measure on a stack of its own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    stack = Stack(stack_folder(name="benchmark"), cache_folder())
    with leased(stack, keep=False):
        return 0 if asyncio.run(measure(stack, options.people, options.days)) else 1


if __name__ == "__main__":
    sys.exit(main())

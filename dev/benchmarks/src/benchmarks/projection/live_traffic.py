"""Facts into a live projector: a history as fast as it goes, then at a steady rate; and how it keeps up."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice, takewhile

import asyncpg

from attendance_schemas.events import MatchDecided
from attendance_schemas.topics import MATCHES
from benchmarks.projection.service import NotDelivered, Plant, consumed, is_running, patience, peak_mb, say

RHYTHM_SECONDS = 0.05
LOOK_SECONDS = 0.1
PROGRESS_SECONDS = 30.0


async def send_history(
    plant: Plant, facts: Iterator[MatchDecided], events: int, connection: asyncpg.Connection, pid: int
) -> None:
    """Send facts as fast as the broker takes them, until the live service has projected them.

    Raises NotDelivered when the service ends or is far too slow.
    """
    stopping, began, before = threading.Event(), time.monotonic(), await consumed(connection)
    wanted = takewhile(lambda _: not stopping.is_set(), islice(facts, events))
    sending = asyncio.create_task(asyncio.to_thread(plant.publish, wanted, MATCHES))
    told_at, told = began, 0
    try:
        while (done := await consumed(connection) - before) < events:
            now = time.monotonic()
            if sending.done():
                await sending  # raises what went wrong
            if not is_running(pid):
                raise NotDelivered("the live service has ended; its last lines are above")
            if now - began > patience(events):
                raise NotDelivered(f"after {now - began:.0f} s {done} of {events} events are projected")
            if now - told_at >= PROGRESS_SECONDS:
                lately = (done - told) / (now - told_at)
                left = (events - done) * (now - began) / done if done else 0.0
                told_at, told = now, done
                say(
                    f"  {now - began:5.0f} s: sent {plant.sent - before}, projected {done}, {lately:.0f} "
                    f"events/s, {left:.0f} s to go; live service {peak_mb(pid)} MB at most"
                )
            await asyncio.sleep(LOOK_SECONDS)
        await sending
    finally:
        stopping.set()
    seconds = time.monotonic() - began
    say(f"live: {events} events in {seconds:.0f} s, {events / seconds:.0f}/s, while they were sent")


class Traffic:
    """Sends so many facts a second from a thread of its own, so that nobody's reads wait for it."""

    def __init__(self, plant: Plant, facts: Iterator[MatchDecided], rate: int) -> None:
        self._plant = plant
        self._facts = facts
        self._rate = rate
        self._stopping = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self.sent = 0
        self.seconds = 0.0

    async def __aenter__(self) -> "Traffic":
        self._task = asyncio.create_task(asyncio.to_thread(self._run))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopping.wait(RHYTHM_SECONDS):
            due = int((time.monotonic() - began) * self._rate) - self.sent
            for event in islice(self._facts, due):
                self._plant.send(event, MATCHES)
            self.sent += due
        self._plant.flush()
        self.seconds = time.monotonic() - began


class KeepingUp:
    """How far the live tables were behind at most, and for how long they stood still with records waiting."""

    def __init__(self) -> None:
        self.behind = 0
        self.longest_pause = 0.0

    async def watch(self, url: str, plant: Plant) -> None:
        """Look until cancelled."""
        connection = await asyncpg.connect(url)
        try:
            before, moved = -1, time.monotonic()
            while True:
                sent = plant.sent
                now = await consumed(connection)
                if now != before or now >= sent:
                    before, moved = now, time.monotonic()
                self.behind = max(self.behind, sent - now)
                self.longest_pause = max(self.longest_pause, time.monotonic() - moved)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            connection.terminate()


@asynccontextmanager
async def kept_up(url: str, plant: Plant) -> AsyncIterator[KeepingUp]:
    """Watch inside the block."""
    made = KeepingUp()
    task = asyncio.create_task(made.watch(url, plant))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

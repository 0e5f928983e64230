"""Rounds without end: what is there at the start first, then what has waited long enough."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from attendance_ops.archive.rounds import Pace, Rounds, opened_archive
from attendance_ops.settings import Settings
from service_kit.archive.manifest import Manifest
from service_kit.backoff import Backoff, retry
from service_kit.command import ExitCode
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)
ASK_EVERY = timedelta(seconds=10)
Check = Callable[[], Awaitable[None]]


async def serve(settings: Settings, pace: Pace, stopping: asyncio.Event) -> int:
    """Archive until `stopping` is set; return the exit code: 1 when records were lost, or something is wrong.

    Raises:
        NoArchive, SettingsError: no archive is named, or not where it is.
        OverwritingStore: the store does not keep what was put first.
    """
    async with opened_archive(settings) as archive:
        served = _Served()
        rounds = Rounds(settings.kafka, archive, pace, served.heard)
        working = asyncio.create_task(served.work(rounds, archive.check, min(ASK_EVERY, pace.within / 4)))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if working.done():
            await working
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return ExitCode.FAILED if served.lost or served.problems else ExitCode.DONE


class _Served:
    """What was done so far, and said of it."""

    def __init__(self) -> None:
        self.lost = 0
        self.problems: dict[str, str] = {}

    async def work(self, rounds: Rounds, check: Check, every: timedelta) -> None:
        """Do round after round; outages are waited for."""
        backoff, never = Backoff(), asyncio.Event()
        again = partial(
            retry, backoff=backoff, retry_on=TransientFailure, stopping=never, on_retry=self._waits
        )
        await again(check)
        while True:
            told = await again(rounds.round)
            for name, problem in told.problems.items():
                if self.problems.get(name) != problem:
                    log.error("a partition is not archived", partition=name, reason=problem)
            self.problems = told.problems
            await asyncio.sleep(every.total_seconds())

    def heard(self, manifest: Manifest) -> None:
        """Say which file was written, and loudly what it lacks."""
        contents = manifest.contents
        place = {"topic": contents.series.topic, "partition": contents.series.partition}
        offsets = {"first_offset": contents.first_offset, "next_offset": contents.next_offset}
        log.info("archived", **place, **offsets, records=contents.count, bytes=manifest.size)
        if contents.lost:
            self.lost += contents.lost
            log.error("records had expired before they were archived", **place, lost=contents.lost)

    @staticmethod
    def _waits(failure: Exception, delay: timedelta) -> None:
        log.warning("waiting, then going on", reason=str(failure), seconds=round(delay.total_seconds(), 1))

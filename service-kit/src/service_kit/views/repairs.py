"""Repairs what needs it after a while of each process's own, so that the first one spares others the work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

AFTER_SECONDS = (0.5, 3.0)
# So often is the time before the next repair doubled, when one more is needed as soon as one is done.
DOUBLINGS = 4


class Repairs:
    """Calls `repair` after something asked for it; while a dependency is away, again and again.

    A repair that helps nothing, as when a broker's clock is of long ago, is tried at longer and longer times.
    """

    def __init__(
        self,
        what: str,
        repair: Callable[[], Awaitable[None]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._what = what
        self._repair = repair
        self._sleep = sleep
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Ask for a repair; more than one before it begins are one."""
        self._asked.set()

    async def run(self) -> None:
        """Repair until it is cancelled."""
        in_vain = 0
        while True:
            await self._asked.wait()
            await self._sleep(random.uniform(*AFTER_SECONDS) * 2 ** min(in_vain, DOUBLINGS))
            self._asked.clear()
            try:
                await self._repair()
            except TransientFailure as failure:
                log.warning(
                    "repaired later",
                    dependency=failure.dependency,
                    what=self._what,
                    reason=failure.detail,
                )
                self._asked.set()
            else:
                in_vain = in_vain + 1 if self._asked.is_set() else 0

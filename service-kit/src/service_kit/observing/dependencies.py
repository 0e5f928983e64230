"""What a service needs from others: asked rarely, judged steadily, and its outages told in a sentence each.

However often readiness is asked, a dependency is asked once per `every`, with a short deadline, and what was
well before is away only after two failures in a row: one lost packet takes nobody out of service. It goes on
being asked during an outage, so that readiness comes back by itself, whether or not there is traffic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

FAILURES_IN_A_ROW = 2

log = get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises with the reason when not."""


class Dependency:
    """One server that a service talks to, by the name that its failures carry.

    meanwhile: what those who use the service get while it is away, for the log. away: the errors of `check`
    that say that it is.
    """

    def __init__(
        self,
        name: str,
        check: Check,
        *,
        meanwhile: str,
        away: type[Exception] = TransientFailure,
        every: timedelta = timedelta(seconds=2),
        timeout: timedelta = timedelta(seconds=1.5),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._check = check
        self._meanwhile = meanwhile
        self._away = away
        self._every = every.total_seconds()
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._turn = asyncio.Lock()
        self._asked_at: float | None = None
        self._failures_in_a_row = 0
        self._reason = ""
        self._failing_since = 0.0
        self._was_well = False

    async def check(self) -> None:
        """Raise TransientFailure while the dependency is away, and before it has answered once."""
        async with self._turn:
            if self._asked_at is None or self._clock() - self._asked_at >= self._every:
                self._asked_at = self._clock()
                await self._ask()
        if self._is_away or (self._failures_in_a_row and not self._was_well):
            raise TransientFailure(self.name, self._reason)

    def describe(self) -> str:
        """Say how it was when it was asked last."""
        return f"away: {self._reason}; {self._meanwhile}" if self._is_away else "ok"

    @property
    def _is_away(self) -> bool:
        return self._failures_in_a_row >= FAILURES_IN_A_ROW

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await self._check()
        except TimeoutError:
            self._note_failure(f"no answer within {self._timeout:g} s")
        except self._away as error:
            self._note_failure(error.detail if isinstance(error, TransientFailure) else str(error))
        else:
            self._note_answer()

    def _note_failure(self, reason: str) -> None:
        if not self._failures_in_a_row:
            self._failing_since = self._clock()
        self._failures_in_a_row += 1
        self._reason = reason
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            sentence = f"{self.name} is away: {self._meanwhile}"
            log.warning(sentence, reason=reason)

    def _note_answer(self) -> None:
        if self._is_away:
            sentence = f"{self.name} is back after {self._clock() - self._failing_since:.0f} s"
            log.info(sentence)
        self._failures_in_a_row = 0
        self._was_well = True

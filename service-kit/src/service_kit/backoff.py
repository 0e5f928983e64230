"""How long to wait before the next try: exponential with full jitter, so that clients come back spread out.

Full jitter: a uniform draw between zero and the ceiling, where the ceiling doubles with every try up to a
maximum. Source: "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as random_module
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from service_kit.errors import DeliveryStopped

T = TypeVar("T")

INITIAL_DELAY = timedelta(seconds=0.2)
MAXIMUM_DELAY = timedelta(seconds=60)


class Backoff:
    """The delays of one series of tries."""

    def __init__(
        self,
        initial: timedelta = INITIAL_DELAY,
        maximum: timedelta = MAXIMUM_DELAY,
        random: random_module.Random | None = None,
    ) -> None:
        if not timedelta(0) < initial <= maximum:
            raise ValueError(f"backoff needs 0 < initial <= maximum, got {initial} and {maximum}")
        self._initial = initial
        self._maximum = maximum
        self._ceiling = initial
        self._random = random or random_module.Random()

    @property
    def ceiling(self) -> timedelta:
        """Tell the longest delay that the next draw can give."""
        return self._ceiling

    def next_delay(self) -> timedelta:
        """Draw the next delay, between zero and the ceiling, and double the ceiling."""
        delay = self._ceiling * self._random.random()
        self._ceiling = min(self._ceiling * 2, self._maximum)
        return delay

    def reset(self) -> None:
        """Start over after a success."""
        self._ceiling = self._initial


async def wait(delay: timedelta, stopping: asyncio.Event) -> bool:
    """Wait for `delay`, or less when `stopping` is set; tell whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay.total_seconds()):
            await stopping.wait()
    return stopping.is_set()


async def retry(
    operation: Callable[[], Awaitable[T]],
    *,
    backoff: Backoff,
    retry_on: type[Exception] | tuple[type[Exception], ...],
    stopping: asyncio.Event,
    on_retry: Callable[[Exception, timedelta], None] | None = None,
) -> T:
    """Run `operation` until it returns, waiting between tries.

    Raises:
        DeliveryStopped: `stopping` was set while waiting; the last failure is its cause.
        Exception: anything that `retry_on` does not name, at once.
    """
    while True:
        try:
            result = await operation()
        except retry_on as failure:
            delay = backoff.next_delay()
            if on_retry is not None:
                on_retry(failure, delay)
            if await wait(delay, stopping):
                raise DeliveryStopped(f"stopped while waiting to try again after: {failure}") from failure
        else:
            backoff.reset()
            return result

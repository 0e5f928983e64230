"""Run a service's main coroutine: the first SIGTERM or SIGINT asks it to finish, the second ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import uvloop

from service_kit.observing.logs import get_logger

log = get_logger(__name__)


def run(main: Callable[[asyncio.Event], Awaitable[int | None]]) -> int:
    """Run `main(stopping)` to its end and give the exit code (None counts as 0)."""

    async def supervise() -> int:
        stopping = asyncio.Event()

        def on_signal(number: int) -> None:
            if stopping.is_set():
                os._exit(128 + number)
            log.info("stopping", signal=signal.Signals(number).name)
            stopping.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        return await main(stopping) or 0

    # Two thirds of asyncio's own cost of the core for each record (docs/recognition/speed.md).
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(supervise())

"""The life of a supervisor process: start, serve until told to stop or a server crashes, stop everything."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.errors import LocalStackError, ServiceFailed
from local_stack.files import tail, take_lock
from local_stack.running.control import failure_path, lock_path, write_failure
from local_stack.running.state import StackState
from local_stack.running.status import ServiceStatus, StackStatus
from local_stack.running.supervisor import Supervisor


def ignore(_status: StackStatus) -> None:
    """Show nothing."""


def supervise(
    folder: Path,
    state: StackState,
    cache: ArtifactCache,
    *,
    on_change: Callable[[StackStatus], None] = ignore,
) -> None:
    """Run the stack in this process until SIGTERM, SIGINT or `down`; a crash of any server ends it.

    Raises:
        ServiceFailed: a server could not be started, or crashed; everything is stopped by then.
        LocalStackError: another supervisor has the folder.
    """
    with _taken(folder):
        _run(Supervisor(folder, state, cache, on_change=on_change), keep_going=False)


def supervise_in_background(folder: Path, state: StackState, cache: ArtifactCache) -> None:
    """Do the same in a process of its own, and return; there a crash is reported and the rest goes on.

    The folder is taken before this returns, so the caller can tell a start from an end.

    Raises:
        LocalStackError: another supervisor has the folder.
    """
    # The child inherits the lock with the open file, and init becomes its parent.
    with _taken(folder):
        if os.fork() == 0:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
            # A line per health check says nothing that a state does not.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            _run(Supervisor(folder, state, cache, on_change=ignore), keep_going=True)


def _taken(folder: Path) -> TextIOWrapper:
    lock = take_lock(lock_path(folder))
    if lock is None:
        raise LocalStackError(f"The stack in {folder} is already running.")
    failure_path(folder).unlink(missing_ok=True)
    return lock


def _run(supervisor: Supervisor, *, keep_going: bool) -> None:
    # The client reports every refused connection while a broker starts; our own status says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_live(supervisor, keep_going=keep_going))
    except ServiceFailed as failure:
        write_failure(supervisor.folder, failure)
        raise


async def _live(supervisor: Supervisor, *, keep_going: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stopping.set)
    stop = asyncio.create_task(supervisor.stopping.wait())
    start = asyncio.create_task(supervisor.start_all())
    try:
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
        else:
            start.cancel()
            with suppress(asyncio.CancelledError):
                await start
        crash = asyncio.create_task(supervisor.crashed.wait())
        await asyncio.wait({stop} if keep_going else {stop, crash}, return_when=asyncio.FIRST_COMPLETED)
        crash.cancel()
        if not stop.done():
            raise _crash(supervisor.status().crashed[0])
    finally:
        stop.cancel()
        await supervisor.stop_all()


def _crash(service: ServiceStatus) -> ServiceFailed:
    what = service.detail.removeprefix(f"{service.name} ").removesuffix(".")
    return ServiceFailed(service.name, what, tail(Path(service.log)))

"""End what a demo started, from another terminal: the demo itself if it runs, and what a killed one left."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from attendance_demo.errors import DemoError
from attendance_demo.running import demo_process
from local_stack.running.stack import Stack

ENDS_WITHIN_SECONDS = 120.0
POLL_SECONDS = 0.1


def end_demo(folder: Path) -> bool:
    """Return when nothing of the demo runs any more; say whether anything did.

    Raises:
        DemoError: it does not end.
    """
    process, deadline = demo_process(folder), time.monotonic() + ENDS_WITHIN_SECONDS
    if process is not None:
        with suppress(ProcessLookupError):  # it ends at this moment
            os.kill(process, signal.SIGTERM)
    while demo_process(folder) is not None:
        if time.monotonic() > deadline:
            raise DemoError(
                f"the demo in {folder}, process {process}, does not end; its logs are below logs/"
            )
        time.sleep(POLL_SECONDS)
    # Of a demo that was killed: its services, and its servers, which have an owner of their own.
    left = Stack(folder).down() if folder.exists() else False
    return process is not None or left

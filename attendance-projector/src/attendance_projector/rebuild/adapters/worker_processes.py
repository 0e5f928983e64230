"""The processes of a rebuild: started with a task each, heard line by line, gone with their parent."""

import asyncio
import os
import resource
import sys
from collections.abc import Sequence

import msgspec

from attendance_projector.errors import RebuildRefused
from attendance_projector.rebuild.tasks import Compute, Hear, Load, Progressed

COMMAND = (sys.executable, "-m", "attendance_projector", "rebuild-worker")
MEGABYTE_IN_KIB = 1024


def peak_memory_mb() -> int:
    """Return the most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEGABYTE_IN_KIB


async def run_together(tasks: Sequence[Load | Compute], hear: Hear) -> None:
    """Run a process for each task. Raises RebuildRefused when one fails; the others are stopped then."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(_run(task, hear))
    except* RebuildRefused as failed:
        raise failed.exceptions[0] from None


async def _run(task: Load | Compute, hear: Hear) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RebuildRefused("a process of the rebuild was started without pipes")
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        async for line in process.stdout:
            hear(msgspec.json.decode(line, type=Progressed))
        if code := await process.wait():
            raise RebuildRefused(
                f"a process of the rebuild ended with {code}; see its log, then run it again"
            )
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

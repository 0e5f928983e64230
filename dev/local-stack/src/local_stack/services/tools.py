"""Runs the one-off programs that come with the servers (formatting, initdb, base backup)."""

import asyncio
import os
from typing import IO

from local_stack.errors import LocalStackError
from local_stack.services import Command

LIMIT_SECONDS = 120


async def spawn(command: Command, *, output: int | IO[bytes]) -> asyncio.subprocess.Process:
    """Start the command in a session of its own, so that Ctrl-C in a terminal reaches only us."""
    identity = command.identity
    return await asyncio.create_subprocess_exec(
        *command.argv,
        cwd=command.folder,
        # Ours carries the locale, PATH and the temporary folder.
        env={**os.environ, **command.environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        user=identity.user if identity else None,
        group=identity.group if identity else None,
        extra_groups=() if identity else None,
    )


async def run_tool(command: Command) -> str:
    """Run to the end and return the output; raise LocalStackError with it when the program fails."""
    process = await spawn(command, output=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    except TimeoutError:
        raise LocalStackError(
            f"{command.argv[0]} did not end within {LIMIT_SECONDS} s; it was killed."
        ) from None
    finally:
        # Also when the whole start is given up.
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode:
        raise LocalStackError(f"{command.argv[0]} ended with {process.returncode}:\n{text[-4000:]}")
    return text

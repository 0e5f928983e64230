"""Remembers processes that must not outlive their owner, so that a later command ends what a killed one left.

A supervisor remembers its servers; who runs services over a stack, as the demo does, remembers those.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from local_stack.files import write_private

KILL_WAIT_SECONDS = 10
SERVERS, SERVICES = "servers.json", "services.json"


def remember(folder: Path, pids: Iterable[int], *, kind: str = SERVERS) -> None:
    """Write down the processes of this one that run now, each with its creation time."""
    known = [each for pid in (os.getpid(), *pids) if (each := _identity(pid)) is not None]
    # Who deletes a folder under running servers can still end them.
    with suppress(FileNotFoundError):
        write_private(folder / kind, json.dumps({"owner": known[0], "processes": known[1:]}))


def end_orphans(folder: Path, *, kind: str = SERVERS) -> int:
    """Kill what is left of an owner that has ended and return how many; a reused process id is left alone."""
    try:
        known = json.loads((folder / kind).read_text())
    except FileNotFoundError:
        return 0
    if known["owner"]["pid"] != os.getpid() and _is_alive(known["owner"]):
        return 0
    found = [member for each in known["processes"] if _is_alive(each) for member in family(each["pid"])]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=KILL_WAIT_SECONDS)
    (folder / kind).unlink(missing_ok=True)
    return len(found)


def family(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants (no process group: PostgreSQL makes one per backend)."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _identity(pid: int) -> dict[str, float] | None:
    try:
        return {"pid": pid, "created": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return None


def _is_alive(known: dict[str, float]) -> bool:
    """Say whether the process that was remembered runs; one that was killed and not yet reaped does not."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(known["pid"]))
        return process.create_time() == known["created"] and process.status() != psutil.STATUS_ZOMBIE
    return False

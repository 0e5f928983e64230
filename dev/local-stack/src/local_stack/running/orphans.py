"""Remembers the process of every server, so that none outlives a supervisor that was itself killed."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from local_stack.files import write_private

KILL_WAIT_SECONDS = 10


def _path(folder: Path) -> Path:
    return folder / "children.json"


def remember(folder: Path, pids: Iterable[int]) -> None:
    """Write down the processes that run now, each with its creation time."""
    known = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            known.append({"pid": pid, "created": psutil.Process(pid).create_time()})
    write_private(_path(folder), json.dumps(known))


def end_orphans(folder: Path) -> int:
    """Kill what is left of an earlier run and return how many; a reused process id is left alone."""
    try:
        known = json.loads(_path(folder).read_text())
    except FileNotFoundError:
        return 0
    found: list[psutil.Process] = []
    for child in known:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(child["pid"])
            if process.create_time() == child["created"]:
                found += family(process.pid)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=KILL_WAIT_SECONDS)
    _path(folder).unlink()
    return len(found)


def family(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants (no process group: PostgreSQL makes one per backend)."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []

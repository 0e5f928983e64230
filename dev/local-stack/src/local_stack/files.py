"""Private files, written whole and readable by their owner only, and locks that end with their process."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

PRIVATE_FILE = 0o600
LOCK_PATIENCE_SECONDS, LOCK_POLL_SECONDS = 0.2, 0.02
# Others may pass through, so that PostgreSQL can run as another user below; they cannot list.
PASSABLE_FOLDER = 0o711


def write_private(path: Path, text: str) -> None:
    """Replace the file with the text in one step, mode 0600."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    Path(name).chmod(PRIVATE_FILE)
    Path(name).replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file; wait while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def take_lock(path: Path) -> TextIOWrapper | None:
    """Take the lock and return the open file that holds it, or None while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w")
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # `is_locked` of another process takes the lock for an instant, too.
            if time.monotonic() > deadline:
                handle.close()
                return None
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return handle


def is_locked(path: Path) -> bool:
    """Say whether a living process holds the lock."""
    if not path.exists():
        return False
    handle = take_lock(path)
    if handle is None:
        return True
    handle.close()
    return False


def tail(path: Path, lines: int = 40) -> str:
    """Return the last lines of a log, or a note when there is none."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - 64 * 1024))
            text = handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log was written)"
    return "\n".join(text.splitlines()[-lines:])

"""What a demo tells other commands while it runs: its organisation, and the last capture of a kiosk.

One private file in the demo's folder, true while the demo holds the lock beside it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from attendance_demo.errors import DemoError, NoDemoRuns
from local_stack.files import is_locked, locked, take_lock, write_private

DEFAULT_FOLDER = Path(".local-stack/demo")
ENVIRONMENT = "env"


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """The organisation, and the last capture of the kiosk: its sequence number, id and instant."""

    org_id: str
    device_sequence: int
    capture_id: str | None = None
    captured_at: str | None = None


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep other demos out of the folder meanwhile, and leave nothing that says that this one runs.

    Raises:
        DemoError: another demo runs in the folder.
    """
    lock = take_lock(_lock(folder))
    if lock is None:
        raise DemoError(
            f"another demo runs in {folder}; end it with Ctrl-C in its terminal, or play in another folder: "
            "`make demo STACK=folder`, or attendance-demo with --dir"
        )
    with lock:
        write_private(_process(folder), f"{os.getpid()}\n")
        try:
            yield
        finally:
            for name in (ENVIRONMENT, _state(folder).name, _process(folder).name):
                (folder / name).unlink(missing_ok=True)


def tell(folder: Path, demo: RunningDemo) -> None:
    """Write what the demo is now."""
    write_private(_state(folder), json.dumps(asdict(demo)) + "\n")


def running_demo(folder: Path) -> RunningDemo:
    """Return the demo that runs in the folder. Raises NoDemoRuns."""
    if not (_state(folder).exists() and is_locked(_lock(folder))):
        raise NoDemoRuns(f"No demo runs in {folder}. Start one with `make demo` and leave it running")
    return RunningDemo(**json.loads(_state(folder).read_text(encoding="utf-8")))


def demo_process(folder: Path) -> int | None:
    """Return the process of the demo that runs in the folder, from its first moment to its last."""
    try:
        process = int(_process(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    # Of a demo that was killed the file stays, and another process may have its number.
    return process if is_locked(_lock(folder)) else None


def metadata(folder: Path, capture_id: UUID) -> dict[str, object]:
    """Return what the kiosk says of a capture taken now; of the capture it took last, what it said then.

    Raises:
        NoDemoRuns: there is no kiosk.
    """
    now = datetime.now(UTC).isoformat()
    with locked(folder / "kiosk.lock"):
        demo = running_demo(folder)
        if demo.capture_id != str(capture_id):
            number = demo.device_sequence + 1
            demo = replace(demo, device_sequence=number, capture_id=str(capture_id), captured_at=now)
            tell(folder, demo)
    return {
        "capture_id": demo.capture_id,
        "device_sequence": demo.device_sequence,
        "captured_at": demo.captured_at,
        "device_now": now,
    }


def _state(folder: Path) -> Path:
    return folder / "demo.json"


def _process(folder: Path) -> Path:
    return folder / "demo.pid"


def _lock(folder: Path) -> Path:
    return folder / "demo.lock"

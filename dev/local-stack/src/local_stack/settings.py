"""Where a stack and the download cache live when the command line does not say so."""

import os
import shlex
from pathlib import Path

DIRECTORY_VARIABLE = "LOCAL_STACK_DIR"
CACHE_VARIABLE = "LOCAL_STACK_CACHE"
DURABLE_VARIABLE = "LOCAL_STACK_DURABLE"


def stack_folder(given: Path | None = None, *, root: Path | None = None, name: str = "default") -> Path:
    """Return the absolute folder of the stack: as given, else from the environment, else under root."""
    chosen = given or os.environ.get(DIRECTORY_VARIABLE) or (root or Path.cwd()) / ".local-stack" / name
    return Path(chosen).expanduser().absolute()


def command_for(folder: Path, command: str) -> str:
    """Return the command line that does something to the stack in a folder, as it is typed here."""
    if folder == stack_folder():
        return f"local-stack {command}"
    here = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return f"local-stack {command} --dir {shlex.quote(str(here))}"


def cache_folder(given: Path | None = None, *, root: Path | None = None) -> Path:
    """Return the absolute folder of the downloads, which all stacks share."""
    chosen = given or os.environ.get(CACHE_VARIABLE) or (root or Path.cwd()) / ".local-stack" / "cache"
    return Path(chosen).expanduser().absolute()


def is_durable() -> bool:
    """Say whether PostgreSQL waits for the disk at each commit, as in production; measurements want that."""
    return os.environ.get(DURABLE_VARIABLE) == "1"

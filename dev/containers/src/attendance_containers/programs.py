"""Runs programs to their end, and finds those that packages bring."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attendance_containers.errors import CommandFailed

SHOWN_LINES = 40


def run(
    command: Sequence[str | Path], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Return what a program printed. Raises CommandFailed."""
    ended = subprocess.run(  # noqa: S603 - commands of this package
        list(map(str, command)),
        env={**os.environ, **(environ or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = "\n".join(f"{ended.stdout}\n{ended.stderr}".strip().splitlines()[-SHOWN_LINES:])
        raise CommandFailed(f"`{' '.join(map(str, command))}` ended with {ended.returncode}:\n{said}")
    return ended.stdout


def packaged(distribution_name: str, program: str) -> Path:
    """Return a program that a Python package brings, or that is in the path. Raises CommandFailed."""
    try:
        for entry in distribution(distribution_name).files or ():
            if entry.name == program and (found := Path(str(entry.locate()))).is_file():
                return found
    except PackageNotFoundError:
        pass
    if named := shutil.which(program):
        return Path(named)
    raise CommandFailed(
        f"{program} is not here; the Python package {distribution_name} brings it: make setup"
    )

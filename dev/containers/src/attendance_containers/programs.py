"""Runs programs to their end, and finds or installs those that packages bring."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attendance_containers.errors import CannotRunHere, CommandFailed

SHOWN_LINES = 40
# Of Debian's packages: whatever else a machine has under these names comes first in its path.
PROGRAM_FOLDERS = Path("/usr/bin"), Path("/usr/sbin")


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


def install(needed: Mapping[str, str], why: str) -> None:
    """Install what is missing of Debian's packages. Raises CannotRunHere, with what is missing.

    needed: packages by a program of each, or by the path of a file. why: what root is needed for.
    """
    if os.geteuid() != 0:
        raise CannotRunHere(f"root is needed, because {why}; run it with sudo, or in a virtual machine")
    missing = sorted({package for name, package in needed.items() if _find(name) is None})
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotRunHere(f"{', '.join(missing)} of Debian are missing, and this system has no apt-get")
    # Run level 1: no package starts a service of its own.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "-qq"], quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], quiet)


def of_debian(program: str) -> Path:
    """Return a program of Debian's packages. Raises CannotRunHere."""
    if (found := _find(program)) is None:
        raise CannotRunHere(f"{program} of Debian's packages is missing")
    return found


def _find(name: str) -> Path | None:
    # An absolute name stays as it is.
    return next((folder / name for folder in PROGRAM_FOLDERS if (folder / name).exists()), None)

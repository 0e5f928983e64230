"""Secrets as files: each is made once, and read by the members of one group alone."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from attendance_deploy.errors import Refused

# Its owner makes it; the servers and services that use it are in the owner's group.
MODE, FOLDER_MODE = 0o440, 0o750
PASSWORD_BYTES = 24


@dataclass(slots=True)
class SecretFiles:
    """Folders of secret files, and what was written into them.

    A folder that does not exist is of a service that this installation does not have.
    """

    root: Path
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def once(self, name: str, make: Callable[[], str] = lambda: secrets.token_hex(PASSWORD_BYTES)) -> str:
        """Return the secret that prepare keeps under this name; make it when there is none yet."""
        path = self.root / "prepare" / name
        if not path.exists():
            self._write(path, make(), path.parent)
            self.made.append(name)
        return path.read_text(encoding="utf-8").strip()

    def has_folder(self, service: str) -> bool:
        """Tell whether this installation has a service."""
        return (self.root / service).is_dir()

    def read(self, service: str, name: str) -> str | None:
        """Return a secret that a service has."""
        path = self.root / service / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    def give(self, service: str, name: str, text: str) -> None:
        """Let a service have a secret; what it has already stays untouched. name: may have folders."""
        path = self.root / service / name
        if not self.has_folder(service):
            return
        known = self.read(service, name)
        if known != f"{text}\n":
            self._write(path, text, self.root / service)
            if known is not None:
                self.changed.append(f"{service}/{name}")

    def _write(self, path: Path, text: str, folder: Path) -> None:
        """Write a file into a folder, or into one of it, which is made."""
        scratch = path.with_name(f".{path.name}.new")
        try:
            if path.parent != folder:
                path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            scratch.unlink(missing_ok=True)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(f"{text}\n")
                handle.flush()
                os.fsync(handle.fileno())
            scratch.replace(path)
        except OSError as error:
            raise Refused(
                f"{path} cannot be written: {error}; make {folder} writable for user {os.geteuid()}, or "
                "name another folder with --secrets"
            ) from error


def read_secret(root: Path, name: str) -> str:
    """Return a secret that prepare keeps. Raises Refused when it was never made."""
    path = root / "prepare" / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error}; run `attendance-deploy prepare secrets` first, or name the "
            "folder with --secrets"
        ) from error

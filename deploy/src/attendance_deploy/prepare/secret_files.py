"""Secrets as files: each is made once, and read by the members of one group alone."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from attendance_deploy.errors import Refused

# Its owner makes it; the servers and services that use it are in the owner's group.
MODE = 0o440
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
            self._write(path, make())
            self.made.append(name)
        return path.read_text(encoding="utf-8").strip()

    def give(self, service: str, name: str, text: str) -> None:
        """Let a service have a secret; what it has already stays untouched."""
        path = self.root / service / name
        if not path.parent.is_dir():
            return
        known = path.read_text(encoding="utf-8") if path.exists() else None
        if known != f"{text}\n":
            self._write(path, text)
            if known is not None:
                self.changed.append(f"{service}/{name}")

    def _write(self, path: Path, text: str) -> None:
        scratch = path.with_name(f".{path.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(f"{text}\n")
                handle.flush()
                os.fsync(handle.fileno())
            scratch.replace(path)
        except OSError as error:
            raise Refused(
                f"{path} cannot be written: {error}; make {path.parent} writable for user {os.geteuid()}, or "
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

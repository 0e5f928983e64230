"""Valkey's users: each with its keys and its commands, and nothing else.

A user without a password cannot log in. Passwords go out as their SHA-256, which is how Valkey keeps them.
"""

from collections.abc import Awaitable, Mapping
from hashlib import sha256
from typing import Any, Protocol

from attendance_deploy.access.permissions import Permissions, ValkeyAccess


class Client(Protocol):
    """What is asked of a client; redis.asyncio's is one."""

    def execute_command(self, *args: Any) -> Awaitable[Any]:
        """Send a command."""


def rules_of(access: ValkeyAccess, *, prefix: str = "", password: str | None = None) -> list[str]:
    """Return the rules of a user, from nothing on. prefix: of the installation's keys."""
    return [
        "reset",
        "on",
        f"#{sha256(password.encode()).hexdigest()}" if password else "resetpass",
        *(f"{'%R' if access.read_only else ''}~{prefix}{pattern}" for pattern in access.keys),
        "resetchannels",
        "-@all",
        *(f"+{command}" for command in access.commands),
    ]


def users(permissions: Permissions) -> Mapping[str, ValkeyAccess]:
    """Return the section of each identity that has one."""
    return {name: identity.valkey for name, identity in permissions.identities.items() if identity.valkey}


def as_file(
    permissions: Permissions,
    *,
    prefix: str = "",
    passwords: Mapping[str, str] | None = None,
    administrator: str | None = None,
) -> str:
    """Return an ACL file. administrator: the password of `default`, which else may not log in at all."""
    passwords = passwords or {}
    default = f"on #{sha256(administrator.encode()).hexdigest()} ~* &* +@all" if administrator else "off"
    lines = [f"user default reset {default}"]
    for name, access in users(permissions).items():
        rules = rules_of(access, prefix=prefix, password=passwords.get(name))
        lines.append(f"user {name} {' '.join(rules)}")
    return "\n".join(lines) + "\n"


async def apply_users(
    administrator: Client,
    permissions: Permissions,
    *,
    prefix: str = "",
    passwords: Mapping[str, str] | None = None,
) -> None:
    """Make our users what the file says; leave all others alone. `reset` and the rules are one command."""
    for name, access in users(permissions).items():
        rules = rules_of(access, prefix=prefix, password=(passwords or {}).get(name))
        await administrator.execute_command("ACL", "SETUSER", name, *rules)

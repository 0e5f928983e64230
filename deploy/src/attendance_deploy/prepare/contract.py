"""Topics, schemas and tables: the commands of those who own them, run to their end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from attendance_deploy.access.permissions import read_permissions
from attendance_deploy.access.postgres import database_of, owner_of
from attendance_deploy.errors import Refused, ServerAway
from attendance_deploy.prepare import addresses
from attendance_deploy.prepare.secret_files import read_secret


def prepare_topics(_root: Path, say: Callable[[str], None]) -> None:
    """Make Kafka's topics and the registered schemas what their files say."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL"):
        addresses.needed(name)
    _run(say, "attendance_schemas", "apply")


def prepare_tables(root: Path, say: Callable[[str], None], *, part: str) -> None:
    """Migrate the tables as their owner; `part`: --pre beside the version before, --post without it."""
    permissions = read_permissions()
    owner, database = owner_of(permissions), database_of(permissions)
    password = read_secret(root, f"{owner}_password")
    url = f"postgresql://{owner}:{password}@{addresses.postgres()}/{database}"
    _run(say, "attendance_projector", "migrate", part, DATABASE_URL=url)


def _run(say: Callable[[str], None], module: str, *arguments: str, **variables: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(  # noqa: S603 - our own modules
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    for line in run.stdout.splitlines():
        say(line)
    if run.returncode:
        reason = run.stderr.strip() or run.stdout.strip()
        kind = ServerAway if run.returncode == ServerAway.exit_code else Refused
        raise kind(f"`{module.replace('_', '-')} {' '.join(arguments)}` was refused: {reason}")

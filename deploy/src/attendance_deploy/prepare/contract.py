"""Kafka's permissions, topics, schemas and tables: the commands of those who own them, run to their end."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from attendance_deploy.access.permissions import read_permissions
from attendance_deploy.access.postgres import database_of, owner_of
from attendance_deploy.errors import Refused, ServerAway
from attendance_deploy.prepare import addresses
from attendance_deploy.prepare.certificates import CA, CERT, KAFKA_ADMINISTRATOR, KEY, url_options
from attendance_deploy.prepare.secret_files import read_secret

REASON_LINES = 5


def prepare_acls(root: Path, say: Callable[[str], None]) -> None:
    """Make Kafka's permissions what access.yaml says, as a super user of the brokers."""
    addresses.needed("KAFKA_BOOTSTRAP_SERVERS")
    folder = root / "prepare" / KAFKA_ADMINISTRATOR
    files = {
        f"KAFKA_SSL_{kind}_FILE": str(folder / name)
        for kind, name in (("CA", CA), ("CERT", CERT), ("KEY", KEY))
    }
    _run(say, "attendance_deploy", "access", "kafka", "--apply", **files)


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
    options = url_options(root / "prepare") if addresses.is_tls() else ""
    url = f"postgresql://{owner}:{password}@{addresses.postgres()}/{database}{options}"
    _run(say, "attendance_projector", "migrate", part, DATABASE_URL=url)


def _run(say: Callable[[str], None], module: str, *arguments: str, **variables: str) -> None:
    """Say each line as it comes; the last ones are the reason when it ends with an error."""
    command = [sys.executable, "-m", module, *arguments]
    last: deque[str] = deque(maxlen=REASON_LINES)
    with subprocess.Popen(  # noqa: S603 - our own modules
        command,
        env={**os.environ, **variables, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            say(line.rstrip())
            last.append(line.strip())
    if process.returncode:
        kind = ServerAway if process.returncode == ServerAway.exit_code else Refused
        name = f"{module.replace('_', '-')} {' '.join(arguments)}"
        raise kind(f"`{name}` ended with {process.returncode}: {' '.join(last)}")

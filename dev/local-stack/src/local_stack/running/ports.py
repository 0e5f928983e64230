"""Picks free loopback ports once per stack, below the range from which clients get theirs.

Every stack that shares a cache is listed in one file, so that a stack that is down keeps its ports.
"""

import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import locked

# Linux hands out 32768-60999 to outgoing connections: a port in there may be taken at the next start.
LOWEST, HIGHEST = 20000, 32000
# Of services, which ask for a port each time they are started.
LOWEST_OF_SERVICES = 10000
LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Say whether nothing listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port, for a service, on which nothing listens and which no client is given."""
    while not is_free(port := random.randrange(LOWEST_OF_SERVICES, LOWEST)):
        pass
    return port


def pick_ports(names: Sequence[str], *, folder: Path, cache: Path) -> dict[str, int]:
    """Return one free port per name, unlike those of every other stack of this cache."""
    register = cache / "ports.json"
    with locked(cache / "ports.lock"):
        known: dict[str, list[int]] = json.loads(register.read_text()) if register.exists() else {}
        known = {path: ports for path, ports in known.items() if Path(path).exists()}
        taken = {port for ports in known.values() for port in ports}
        candidates = [port for port in range(LOWEST, HIGHEST) if port not in taken]
        random.shuffle(candidates)
        free = (port for port in candidates if is_free(port))
        picked = dict(zip(names, free, strict=False))
        if len(picked) < len(names):
            raise LocalStackError(
                f"No {len(names)} free ports between {LOWEST} and {HIGHEST}; stop something."
            )
        known[str(folder)] = [*known.get(str(folder), []), *picked.values()]
        register.write_text(json.dumps(known, indent=2))
    return picked

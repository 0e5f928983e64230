"""Tries ports of every pod or container from every other one, to be compared with deploy/access.yaml.

A try is made from inside the network of the one that connects, by the kernel that enforces the rules,
whatever programs its image has.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from attendance_containers.errors import PlayFailed

AT_ONCE = 4
# Connects to each address of standard input, some hundred at once, and prints those that answered.
TRY = """
import asyncio, json, sys
async def one(host, port, gate):
    try:
        async with gate, asyncio.timeout(3):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
async def main(targets):
    gate = asyncio.Semaphore(400)
    print(json.dumps(await asyncio.gather(*(one(*each, gate) for each in targets))))
asyncio.run(main(json.load(sys.stdin)))
"""
LISTENING = "0A"
# How the kernel writes 127.x.x.x, also as an address of version 6, and ::1.
LOOPBACKS = re.compile(r"^(0{16}FFFF0000)?[0-9A-F]{6}7F$|^0{24}01000000$")

Connections = set[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Host:
    """A pod or container that runs. process: its first process, whose network is that of the host."""

    name: str
    party: str
    addresses: tuple[str, ...]
    process: int


def open_ways(hosts: Iterable[Host], ports: Iterable[int]) -> set[tuple[Host, Host, int]]:
    """Return which host connected to which other one on which port. Raises PlayFailed."""
    every, wanted = list(hosts), sorted(set(ports))

    def from_one(client: Host) -> set[tuple[Host, Host, int]]:
        targets = [
            (server, address, port)
            for server in every
            if server is not client
            for address in server.addresses
            for port in wanted
        ]
        answered = reached(client, [(address, port) for _, address, port in targets])
        return {
            (client, server, port)
            for (server, _, port), is_open in zip(targets, answered, strict=True)
            if is_open
        }

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return set().union(*pool.map(from_one, every))


def connections(hosts: Iterable[Host], ports: Iterable[int]) -> Connections:
    """Return who connected to whom on which port, by the names of the parties. Raises PlayFailed."""
    return {
        (client.party, server.party, port)
        for client, server, port in open_ways(hosts, ports)
        if server.party != client.party
    }


def reached(client: Host, targets: Iterable[tuple[str, int]]) -> list[bool]:
    """Connect from a host, and return which addresses and ports answered. Raises PlayFailed."""
    run = subprocess.run(  # noqa: S603
        ["nsenter", "--target", str(client.process), "--net", sys.executable, "-ISc", TRY],  # noqa: S607
        input=json.dumps(list(targets)),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise PlayFailed(f"nothing could be tried from {client.name}: {run.stderr}")
    answered: list[bool] = json.loads(run.stdout)
    return answered


def listening_ports(host: Host, *, also_on_loopback: bool = False) -> set[int]:
    """Return the ports on which a host listens, without those for itself alone."""
    tables = [Path(f"/proc/{host.process}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    return set().union(*(ports_in(each, also_on_loopback=also_on_loopback) for each in tables))


def ports_in(table: str, *, also_on_loopback: bool = False) -> set[int]:
    """Return the ports of a table of the kernel's, as in /proc/net/tcp, that others may try."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, _, port = fields[1].partition(":")
        if fields[3] == LISTENING and (also_on_loopback or not LOOPBACKS.match(address)):
            found.add(int(port, 16))
    return found

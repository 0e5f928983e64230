"""Tries every port of every pod from every pod, and compares what connects with deploy/access.yaml.

A try is made from inside the pod's own network, by the kernel that enforces the policies, whatever programs
its image has. The ports are those on which any pod listens, whether somebody wrote them down or not.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from attendance_containers.charts.policies import expected
from attendance_containers.errors import PlayFailed
from attendance_containers.kubernetes.cluster import Cluster
from attendance_containers.kubernetes.servers import ENGINES, NAME, PLAIN
from attendance_deploy.access.permissions import Permissions

AT_ONCE = 4
# Of /proc/net/tcp and tcp6: the state, and 127.0.0.1 in both, and ::1.
LISTENS = "0A"
LOOPBACKS = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
# Connects to each address of standard input, all at once, and prints those that answered.
TRY = """
import asyncio, json, sys
async def one(host, port):
    try:
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
async def main(targets):
    print(json.dumps(await asyncio.gather(*(one(*each) for each in targets))))
asyncio.run(main(json.load(sys.stdin)))
"""


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod that runs. process: its first process, whose network is the pod's."""

    name: str
    party: str
    address: str
    process: int


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """A way from one pod to a port of another one."""

    client: str
    server: str
    port: int

    def __str__(self) -> str:
        return f"{self.client} to {self.server}:{self.port}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """What was tried. wrong: ways that are open and should not be, or should be and are not."""

    tried: int
    ports: int
    open: int
    wrong: tuple[str, ...]


def running_pods(cluster: Cluster, namespace: str) -> list[RunningPod]:
    """Return the pods of a namespace that run."""
    processes = {}
    for line in cluster.ctr("tasks", "list").splitlines()[1:]:
        task, process, _ = line.split(maxsplit=2)
        processes[task] = int(process)
    found = []
    for pod in cluster.objects("pods", "-n", namespace, "--field-selector=status.phase=Running"):
        task = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        if task in processes:
            party = pod["metadata"]["labels"][NAME]
            found.append(RunningPod(pod["metadata"]["name"], party, pod["status"]["podIP"], processes[task]))
    return found


def try_every_way(pods: Iterable[RunningPod], permissions: Permissions) -> Matrix:
    """Try every port of every pod from every other pod. Raises PlayFailed when nothing can be tried."""
    every = list(pods)
    may = allowed_ways((pod.party for pod in every), permissions)
    heard = {port for pod in every for port in listening(pod.process, also_on_loopback=True)}
    ports = sorted(heard | {port for _, _, port in may})
    should = {
        Way(client.name, server.name, port)
        for client in every
        for server in every
        for port in ports
        if client is not server and (client.party, server.party, port) in may
    }
    found = _connections(every, ports)
    wrong = [f"{way} is {'open' if way in found else 'shut'}" for way in sorted(found ^ should)]
    return Matrix(len(every) * (len(every) - 1) * len(ports), len(ports), len(found), tuple(wrong))


def listening(process: int, *, also_on_loopback: bool = False) -> set[int]:
    """Return the TCP ports on which anybody in the network of a process listens."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if state == LISTENS and (also_on_loopback or address not in LOOPBACKS):
                found.add(int(port, 16))
    return found


def allowed_ways(parties: Iterable[str], permissions: Permissions) -> set[tuple[str, str, int]]:
    """Return who may connect to whom on which port, by the names of the parties."""
    names = set(parties)
    ways = {way for way in expected(permissions, names, tls=True) if way[1] not in PLAIN}
    ways |= {way for way in expected(permissions, names, tls=False) if way[1] in PLAIN}
    # Those whom no policy holds back, Prometheus and strangers among them, enter what is open to everybody.
    free = names - permissions.identities.keys() - {*ENGINES} | names & {"prometheus"}
    ways |= {
        (client, name, identity.secure_port)
        for name, identity in permissions.identities.items()
        if identity.open and identity.secure_port is not None and name in names
        for client in free
    }
    return ways


def _connections(every: list[RunningPod], ports: list[int]) -> set[Way]:
    def from_one(client: RunningPod) -> set[Way]:
        targets = [(server, port) for server in every if server is not client for port in ports]
        run = subprocess.run(  # noqa: S603
            ["nsenter", "--target", str(client.process), "--net", sys.executable, "-ISc", TRY],  # noqa: S607
            input=json.dumps([(server.address, port) for server, port in targets]),
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise PlayFailed(f"nothing could be tried from {client.name}: {run.stderr}")
        answered = json.loads(run.stdout)
        return {
            Way(client.name, server.name, port)
            for (server, port), is_open in zip(targets, answered, strict=True)
            if is_open
        }

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return set().union(*pool.map(from_one, every))

"""Tries every port of every pod from every pod, and compares what connects with deploy/access.yaml.

A try is made from inside the pod's own network, by the kernel that enforces the policies, whatever programs
its image has.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from attendance_containers.errors import PlayFailed
from attendance_containers.kubernetes.cluster import Cluster
from attendance_containers.kubernetes.engines import NAME

AT_ONCE = 4
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


def connections(pods: Iterable[RunningPod], ports: Iterable[int]) -> set[tuple[str, str, int]]:
    """Return who connected to whom on which port, by the names of the parties. Raises PlayFailed."""
    every, wanted = list(pods), sorted(set(ports))

    def from_one(client: RunningPod) -> set[tuple[str, str, int]]:
        targets = [(server, port) for server in every if server is not client for port in wanted]
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
            (client.party, server.party, port)
            for (server, port), is_open in zip(targets, answered, strict=True)
            if is_open and server.party != client.party
        }

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return set().union(*pool.map(from_one, every))

"""Tries every port of every pod from every pod, and compares what connects with deploy/access.yaml.

The ports are those on which any pod listens, whether somebody wrote them down or not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from attendance_containers.charts.policies import expected
from attendance_containers.connections import Host, listening_ports, open_ways
from attendance_containers.kubernetes.cluster import Cluster
from attendance_containers.kubernetes.servers import ENGINES, NAME, PLAIN
from attendance_deploy.access.permissions import Permissions


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


def running_pods(cluster: Cluster, namespace: str) -> list[Host]:
    """Return the pods of a namespace that run."""
    processes = {}
    for line in cluster.ctr("tasks", "list").splitlines()[1:]:
        task, process, _ = line.split(maxsplit=2)
        processes[task] = int(process)
    found = []
    for pod in cluster.objects("pods", "-n", namespace, "--field-selector=status.phase=Running"):
        task = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        if task in processes:
            party, address = pod["metadata"]["labels"][NAME], pod["status"]["podIP"]
            found.append(Host(pod["metadata"]["name"], party, (address,), processes[task]))
    return found


def try_every_way(pods: Iterable[Host], permissions: Permissions) -> Matrix:
    """Try every port of every pod from every other pod. Raises PlayFailed when nothing can be tried."""
    every = list(pods)
    may = allowed_ways((pod.party for pod in every), permissions)
    heard = {port for pod in every for port in listening_ports(pod, also_on_loopback=True)}
    ports = sorted(heard | {port for _, _, port in may})
    should = {
        Way(client.name, server.name, port)
        for client in every
        for server in every
        for port in ports
        if client is not server and (client.party, server.party, port) in may
    }
    found = {Way(client.name, server.name, port) for client, server, port in open_ways(every, ports)}
    wrong = [f"{way} is {'open' if way in found else 'shut'}" for way in sorted(found ^ should)]
    return Matrix(len(every) * (len(every) - 1) * len(ports), len(ports), len(found), tuple(wrong))


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

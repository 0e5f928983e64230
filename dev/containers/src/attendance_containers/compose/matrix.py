"""Tries every port of every container from every other one, and every container's way out of the project.

What connects has to be what deploy/access.yaml says: nothing more, and nothing less. Tried are all ports on
which any container listens, whoever wrote them down.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from attendance_containers.charts.policies import expected
from attendance_containers.compose.site import Site
from attendance_containers.connections import Connections, Host, connections, listening_ports, reached
from attendance_containers.errors import PlayFailed
from attendance_containers.programs import run
from attendance_deploy.access.compose import EDGE, networks
from attendance_deploy.access.permissions import Permissions, read_permissions

# The object store's files, and their door: two containers that are one server, and speak as they like.
STORE = frozenset({"object-store", "object-store-data"})
# The parts of the object store speak gRPC, on every address of the door.
UNAVOIDABLE = frozenset({("object-store", 18333)})

# A machine that is no part of the project, and the way to it.
ELSEWHERE, GATE = "10.201.0.2", "10.201.0.1"
# The kernel itself accepts those who connect.
SERVER = f"""
import socket, sys
print("here")
sys.stdin.readline()
listening = socket.create_server(("{ELSEWHERE}", 0), backlog=64)
print(listening.getsockname()[1])
sys.stdin.read()
"""


def try_connections(site: Site) -> None:
    """Compare what connects with the permissions, and who gets out. Raises PlayFailed."""
    permissions = read_permissions(site.compose.root / "deploy/access.yaml")
    hosts = site.compose.hosts()
    ports = set().union(*map(listening_ports, hosts)) | _written_down(permissions)
    wrong = differences(
        permissions, connections(hosts, ports), {each.party for each in hosts}, site.is_secure
    )
    site.say(f"{len(hosts)} containers tried {len(ports)} ports of each other: {len(wrong)} are wrong")
    wrong += _ways_out(site, permissions, hosts)
    if wrong:
        raise PlayFailed("\n".join(wrong))


def differences(
    permissions: Permissions, found: Connections, parties: set[str], is_secure: bool
) -> list[str]:
    """Return how what connects differs from what may."""
    must = expected(permissions, parties, tls=is_secure)
    opened = {
        (name, (party.secure_port if is_secure else party.port))
        for name, party in permissions.parties.items()
        if party.open
    }
    surplus = {
        (client, server, port)
        for client, server, port in found - must
        if not {client, server} <= STORE and not {(server, port)} & (opened | UNAVOIDABLE)
    }
    return [
        *(
            f"{client} may call {server}:{port}, and does not reach it"
            for client, server, port in sorted(must - found)
        ),
        *(
            f"{client} reaches {server}:{port}, and may not call it"
            for client, server, port in sorted(surplus)
        ),
    ]


def _written_down(permissions: Permissions) -> set[int]:
    return {port for party in permissions.parties.values() for port in (party.port, party.tls_port) if port}


def _ways_out(site: Site, permissions: Permissions, hosts: list[Host]) -> list[str]:
    """Connect from everybody to a server that is no part of the project."""
    wanted = networks(permissions)["services"]
    wrong = []
    with _server_elsewhere() as port:
        for host in hosts:
            (is_out,) = reached(host, [(ELSEWHERE, port)])
            may = EDGE in wanted.get(host.party, {}).get("networks", ())
            if is_out != may:
                wrong.append(f"{host.party} {'reaches' if is_out else 'does not reach'} a server elsewhere")
        script = f"import socket; socket.create_connection(('{ELSEWHERE}', {port}), 5)"
        once = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "python", "prepare", "-c", script)
        site.compose(*once)
    site.say(f"{len(hosts)} containers and prepare tried a server elsewhere: {len(wrong)} are wrong")
    return wrong


@contextmanager
def _server_elsewhere() -> Iterator[int]:
    """Listen in a network of its own, as a machine outside does, and yield the port."""
    command = ["unshare", "--net", sys.executable, "-ISuc", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            _said(server)
            inside = f"nsenter --target {server.pid} --net ip"
            for step in (
                f"ip link add outside0 type veth peer name outside1 netns {server.pid}",
                f"ip address add {GATE}/24 dev outside0",
                "ip link set outside0 up",
                f"{inside} address add {ELSEWHERE}/24 dev outside1",
                f"{inside} link set outside1 up",
            ):
                run(step.split())
            yield int(_said(server, "listen"))
        finally:
            server.kill()


def _said(server: "subprocess.Popen[str]", told: str | None = None) -> str:
    """Return the next line of a process, after telling it one."""
    if server.stdin is None or server.stdout is None:
        raise PlayFailed("the server elsewhere has no pipes")
    if told is not None:
        print(told, file=server.stdin, flush=True)
    if not (line := server.stdout.readline()):
        raise PlayFailed("the server elsewhere ended")
    return line

import os
import socket
from pathlib import Path

from attendance_containers.kubernetes.engines import BEHIND_THE_DOOR, DOOR
from attendance_containers.kubernetes.matrix import RunningPod, allowed_ways, listening
from attendance_deploy.access.permissions import read_permissions

PERMISSIONS = read_permissions(Path(__file__).parents[5] / "deploy/access.yaml")


def pods(*parties: str) -> list[RunningPod]:
    return [RunningPod(f"{party}-0", party, "10.0.0.1", os.getpid()) for party in parties]


def test_who_listens_is_heard_and_who_does_so_on_loopback_alone_only_when_asked_for() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as here:
        open_port, own_port = (each.getsockname()[1] for each in (everywhere, here))
        reached, heard = listening(os.getpid()), listening(os.getpid(), also_on_loopback=True)
    assert {open_port, own_port} & reached == {open_port}
    assert {open_port, own_port} <= heard


def test_only_who_is_named_may_connect_and_everybody_else_enters_what_is_open() -> None:
    ways = allowed_ways(
        pods("ingest", "query-api", "gateway", "kafka", "outsider", "prometheus"), PERMISSIONS
    )
    assert {way for way in ways if "gateway" in way[:2]} == {
        ("gateway", "ingest", 8001),
        ("gateway", "query-api", 8002),
        ("kafka", "gateway", 8080),
        ("outsider", "gateway", 8080),
        ("prometheus", "gateway", 8080),
    }
    assert ("ingest", "kafka", 9092) in ways
    assert not any(client == "outsider" and server != "gateway" for client, server, _ in ways)


def test_only_its_door_reaches_where_the_object_store_keeps_its_files() -> None:
    with socket.create_server(("0.0.0.0", 0)) as filer:
        port = filer.getsockname()[1]
        ways = allowed_ways(pods(DOOR, BEHIND_THE_DOOR, "ingest"), PERMISSIONS)
    assert (DOOR, BEHIND_THE_DOOR, port) in ways
    assert {client for client, server, _ in ways if server == BEHIND_THE_DOOR} == {DOOR}

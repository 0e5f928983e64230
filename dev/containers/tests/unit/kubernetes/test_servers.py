from pathlib import Path

import pytest
import yaml

from attendance_containers.charts.policies import Pod, allowed
from attendance_containers.charts.validation import problems
from attendance_containers.kubernetes.servers import (
    ENGINES,
    NAME,
    REPLICA,
    SERVERS,
    server_objects,
    server_policies,
)
from attendance_deploy.access.permissions import read_permissions

ROOT = Path(__file__).parents[5]
EVERY = (*SERVERS, REPLICA)


@pytest.mark.parametrize("name", EVERY)
def test_each_server_of_compose_becomes_objects_that_kubernetes_takes(name: str) -> None:
    made = list(server_objects(ROOT, (name,)))
    assert [each["kind"] for each in made if each["kind"] != "ConfigMap"] == ["Deployment", "Service"]
    for each in made:
        each["metadata"]["namespace"] = "attendance"
        assert list(problems(each, {})) == []


@pytest.mark.parametrize("name", EVERY)
def test_each_server_keeps_the_image_command_and_user_of_compose(name: str) -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][name]
    (deployment,) = (each for each in server_objects(ROOT, (name,)) if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"docker.io/{service['image']}"
    assert container.get("command", []) == service.get("entrypoint", [])
    assert service["user"] == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert "$" not in yaml.safe_dump(container)


def test_every_server_that_the_services_wait_for_is_there() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    waited_for = {name for service in services.values() for name in service.get("depends_on", ())}
    servers = {name for name in waited_for if not services[name]["image"].startswith("${REGISTRY")}
    assert servers - {"prometheus", "object-store-data"} == {*EVERY, *ENGINES}


def test_policies_let_only_those_in_whom_the_permissions_name() -> None:
    permissions = read_permissions(ROOT / "deploy/access.yaml")
    names = {*EVERY, *permissions.identities, "outsider"}
    rules = list(server_policies(permissions, EVERY))
    ports = {each.port for each in permissions.connections(tls=False)}
    ways = allowed(rules, [Pod(name, {NAME: name}, {}) for name in names], ports)
    into_servers = {way for way in ways if way[1] in EVERY}
    assert into_servers == {
        (each.client, each.server, each.port)
        for each in permissions.connections(tls=False)
        if each.server in EVERY and each.client in names
    }

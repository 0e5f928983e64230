from pathlib import Path

import pytest
import yaml

from attendance_containers.charts.validation import problems
from attendance_containers.kubernetes.engines import REPLICA, SERVERS, server_objects

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
    assert servers - {"prometheus"} == set(EVERY)

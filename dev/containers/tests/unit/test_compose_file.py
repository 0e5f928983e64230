"""compose.yaml as it is committed: what each container may, who sees which secrets, who can reach whom."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from attendance_deploy.access.compose import differences, network_of
from attendance_deploy.access.permissions import read_permissions

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"secrets", "prepare"}
RUNNING = sorted(SERVICES.keys() - ONCE)
PUBLISHED = {"gateway", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_may_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & service.keys()


@pytest.mark.parametrize("name", RUNNING)
def test_what_runs_all_the_time_is_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    is_ours = "VERSION" in service["image"]  # our images bring their own check
    assert is_ours or "healthcheck" in service
    assert is_ours or service["user"].partition(":")[0] not in {"0", "root"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_sees_its_own_secrets_alone(name: str) -> None:
    mounts = [str(mount).split(":") for mount in SERVICES[name].get("volumes", [])]
    secrets = {mount[0] for mount in mounts if mount[0].endswith("-secrets")}
    if name == "secrets":
        assert secrets == {volume for volume in COMPOSE["volumes"] if volume.endswith("-secrets")}
    else:
        assert secrets <= {f"{name}-secrets"}
        assert all(mount[2:] == ["ro"] for mount in mounts if mount[0] in secrets)


def test_only_the_doors_are_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}
    assert published.keys() == PUBLISHED
    for ports in published.values():
        assert [port.partition(":-")[2].split("}")[0] for port in ports] == ["127.0.0.1"]


def test_networks_are_those_of_the_permissions() -> None:
    """The store's own files are behind its door: not a party that anybody else may call."""
    services = {
        name: service for name, service in SERVICES.items() if name not in {"object-store-data", "secrets"}
    }
    services["object-store"] = {"networks": set(services["object-store"]["networks"]) - {"object-store-data"}}
    assert list(differences(read_permissions(), {**COMPOSE, "services": services})) == []


def test_who_is_on_several_networks_listens_on_its_own_alone() -> None:
    """At a name that only its own network has; the gateway is open to everybody, on all of them."""
    for name, party in read_permissions().parties.items():
        service = SERVICES.get(name, {})
        networks = service.get("networks", [])
        if party.port is None or party.open or len(networks) == 1 or not service or name == "object-store":
            continue
        inside = f"{name}.inside"
        named = {each for each, settings in networks.items() if settings and inside in settings["aliases"]}
        assert named == {network_of(name)}
        told = [*service.get("environment", {}).values(), *service.get("command", [])]
        assert any(inside in str(each) for each in told), f"{name} is not told to listen at {inside}"


def test_the_files_of_the_object_store_are_behind_its_door() -> None:
    on_it = {name for name, service in SERVICES.items() if "object-store-data" in service.get("networks", [])}
    assert on_it == {"object-store", "object-store-data"}


def test_nobody_waits_by_the_clock_and_no_secret_is_written_down() -> None:
    scripts = [path.read_text() for path in (ROOT / "deploy/compose").rglob("*") if path.is_file()]
    assert not any(re.search(r"^\s*sleep\b", text, re.MULTILINE) for text in scripts)
    assert not re.search(r"(PASSWORD|SECRET_KEY|TOKEN): *[^\s$/]", TEXT)


def test_everything_that_is_waited_for_has_a_health_or_an_end() -> None:
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            ends = condition["condition"] == "service_completed_successfully"
            assert ends == (other in ONCE), f"{name} waits for {other}"


class Overlay(yaml.SafeLoader):
    """Reads what Compose adds to YAML."""


Overlay.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))
SECURE: dict[str, Any] = yaml.load((ROOT / "deploy/compose/secure.yaml").read_text(), Overlay)  # noqa: S506
PREFIXES = {
    "ingest": "INGEST",
    "recognition-worker": "RECOGNITION_WORKER",
    "attendance-projector": "ATTENDANCE_PROJECTOR",
    "attendance-feed": "ATTENDANCE_PROJECTOR",
    "query-api": "QUERY_API",
}


@pytest.mark.parametrize("name", PREFIXES)
def test_a_secured_service_answers_those_who_may_call_it(name: str) -> None:
    environment = SECURE["services"][name]["environment"]
    names = environment[f"{PREFIXES[name]}_SSL_CLIENT_NAMES"].split(",")
    assert sorted(names) == sorted(read_permissions().callers(name))
    assert environment[f"{PREFIXES[name]}_SSL_CLIENT_CA_FILE"] == "/run/secrets/tls/ca.crt"


def test_secured_containers_see_their_own_secrets_alone() -> None:
    added = set(SECURE["volumes"])
    mounted = {name: service.get("volumes", []) for name, service in SECURE["services"].items()}
    assert {mount.split(":")[0] for mount in mounted.pop("secrets")} == added
    found = {name: [each for each in mounts if "secrets" in each] for name, mounts in mounted.items()}
    for name, mounts in found.items():
        assert mounts in ([], [f"{name}-secrets:/run/secrets:ro"])
    assert added == {f"{name}-secrets" for name, mounts in found.items() if mounts}


def test_nobody_is_called_in_plain_text_but_who_cannot_do_otherwise() -> None:
    """Valkey has a password, and a network of its own."""
    urls = [
        value
        for service in SECURE["services"].values()
        for value in map(str, service.get("environment", {}).values())
        if "://" in value
    ]
    assert urls
    assert not any("http://" in url for url in urls)
    clients = [
        name
        for name, each in SERVICES.items()
        if {"KAFKA_BOOTSTRAP_SERVERS"} & each.get("environment", {}).keys()
    ]
    assert clients
    for name in clients:
        assert SECURE["services"][name]["environment"]["KAFKA_SECURITY_PROTOCOL"] == "SSL"

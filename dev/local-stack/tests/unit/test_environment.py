import re
import shlex
import stat
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack.environment import stack_env
from local_stack.running.links import links
from local_stack.running.state import PORT_NAMES, SECRET_NAMES, StackState, broker_port_names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a stack")


def a_state(*, brokers: int = 1, replica: bool = False) -> StackState:
    return StackState(
        brokers=brokers,
        replica=replica,
        cluster_id="c",
        ports={name: 20000 + at for at, name in enumerate([*broker_port_names(brokers), *PORT_NAMES])},
        directory_ids={},
        secrets={name: f"secret-{name}" for name in SECRET_NAMES},
    )


def test_every_variable_of_the_brief_is_there(folder: Path) -> None:
    assert set(stack_env(folder, a_state()).environ()) == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_SINGLE_BROKER",
        "KAFKA_TOPIC_PREFIX",
        "SCHEMA_REGISTRY_URL",
        "DATABASE_URL",
        "WRITER_DATABASE_URL",
        "FEED_DATABASE_URL",
        "QUERY_DATABASE_URL",
        "POSTGRES_ADMIN_URL",
        "OBJECT_STORE_ENDPOINT",
        "OBJECT_STORE_ACCESS_KEY",
        "OBJECT_STORE_SECRET_KEY",
        "OBJECT_STORE_BUCKET",
        "OBJECT_STORE_REGION",
        "VALKEY_URL",
        "AUTH_ISSUER",
        "AUTH_AUDIENCE",
        "AUTH_JWKS",
        "TEMPLATE_ENCRYPTION_KEYS",
    }


def test_exports_survive_the_shell(folder: Path) -> None:
    environment = stack_env(folder, a_state())
    words = [shlex.split(line) for line in environment.exports().splitlines()]
    assert {word[0] for word in words} == {"export"}
    assert dict(word[1].split("=", 1) for word in words) == environment.environ()


def test_queries_go_to_the_replica_when_there_is_one(folder: Path) -> None:
    state = a_state(replica=True)
    environment = stack_env(folder, state)
    assert f":{state.ports['postgres-replica']}/" in environment.query_database_url
    assert f":{state.ports['postgres']}/" in environment.database_url
    assert stack_env(folder, replace(state, replica=False)).query_database_url.startswith(
        "postgresql://query_api:"
    )


def test_proxies_stand_before_every_server_that_services_use(folder: Path) -> None:
    state = a_state(brokers=3, replica=True)
    direct = stack_env(folder, state).environ()
    proxied = stack_env(folder, state, proxied=True).environ()
    by_port = {state.ports[name]: name for name in state.ports}
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL", "DATABASE_URL", "OBJECT_STORE_ENDPOINT"):
        here, there = (re.findall(r"127\.0\.0\.1:(\d+)", found[name]) for found in (direct, proxied))
        expected = [f"{by_port[int(port)]}-proxy" for port in here]
        assert [by_port[int(port)] for port in there] == expected, name
    assert f":{state.ports['postgres-replica-proxy']}/" in proxied["QUERY_DATABASE_URL"]
    assert f":{state.ports['valkey-proxy']}/" in proxied["VALKEY_URL"]
    assert proxied["POSTGRES_ADMIN_URL"] != direct["POSTGRES_ADMIN_URL"]


def test_every_proxy_leads_to_a_listener_of_its_server() -> None:
    found = {link.name: link for link in links(a_state(brokers=3))}
    assert set(found) == {"kafka-1", "kafka-2", "kafka-3", "registry", "postgres", "object-store", "valkey"}
    ports = a_state(brokers=3).ports
    # A broker names its own address to its clients: behind a proxy it needs a second one.
    assert found["kafka-2"].upstream_port == ports["kafka-2-proxied"]
    assert found["object-store"].upstream_port == ports["s3"]
    assert len({link.proxy_port for link in found.values()}) == len(found)


def test_clients_learn_every_broker(folder: Path) -> None:
    state = a_state(brokers=3)
    servers = stack_env(folder, state).kafka_bootstrap_servers.split(",")
    assert servers == [f"127.0.0.1:{state.ports[f'kafka-{node}']}" for node in (1, 2, 3)]


def test_the_key_of_templates_is_made_once_and_private(folder: Path) -> None:
    first = stack_env(folder, a_state()).template_encryption_keys
    assert stack_env(folder, a_state()).template_encryption_keys == first
    key_id, _, key = first.partition(":")
    assert key_id == "local"
    assert len(b64decode(key, validate=True)) == 32
    [kept] = (folder / "keys").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first not in repr(stack_env(folder, a_state()))

"""Wrong settings of each service are refused before anything starts: every variable is named, plainly."""

import base64
import importlib
import os
import socket
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

BIN = Path(__file__).parents[1] / ".venv/bin"
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1,kafka:9092",
    "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:2",
    "OBJECT_STORE_ACCESS_KEY": "key",
    "OBJECT_STORE_SECRET_KEY": "very-secret",
    "OBJECT_STORE_BUCKET": "images",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "attendance",
    "AUTH_JWKS": "https://issuer.example/keys",
    "VALKEY_URL": "redis://:very-secret@127.0.0.1:3/0",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:4",
    "DATABASE_URL": "postgresql://u:very-secret@127.0.0.1:5/attendance",
    "QUERY_DATABASE_URL": "postgresql://u:very-secret@127.0.0.1:5,127.0.0.1:6/attendance",
    "TEMPLATE_ENCRYPTION_KEYS": f"k:{base64.b64encode(bytes(32)).decode()}",
}
GROUPS = {
    "ingest": ("KAFKA", "OBJECT_STORE", "AUTH", "VALKEY", "SCHEMA_REGISTRY"),
    "recognition-worker": ("KAFKA", "OBJECT_STORE", "SCHEMA_REGISTRY", "TEMPLATE_ENCRYPTION"),
    "attendance-projector": ("KAFKA", "SCHEMA_REGISTRY", "DATABASE", "VALKEY"),
    "query-api": ("KAFKA", "AUTH", "QUERY_DATABASE", "SCHEMA_REGISTRY", "VALKEY"),
}
OF_A_GROUP = [
    *[(name, "") for name in ENVIRONMENT],
    ("KAFKA_BOOTSTRAP_SERVERS", "foo"),
    ("KAFKA_BOOTSTRAP_SERVERS", "foo:99999999"),
    ("KAFKA_SECURITY_PROTOCOL", "foo"),
    ("KAFKA_SECRUITY_PROTOCOL", "SSL"),
    ("KAFKA_SSL_CA_FILE", "/nope"),
    ("KAFKA_SSL_CA_FILE", __file__),
    ("KAFKA_SSL_CERT_FILE", "/nope"),
    ("OBJECT_STORE_ENDPOINT", "foo"),
    ("OBJECT_STORE_ENDPOINT", "http://a:bad"),
    ("OBJECT_STORE_ENDPOINT", "http://a/path"),
    ("AUTH_JWKS", "/nope"),
    ("AUTH_JWKS", "http:/nope"),
    ("VALKEY_URL", "http://x"),
    ("VALKEY_URI", "redis://x"),
    ("SCHEMA_REGISTRY_URL", "foo"),
    ("DATABASE_URL", "foo"),
    ("DATABASE_URL", "postgresql://u@h:bad/db"),
    ("QUERY_DATABASE_URL", "mysql://u@h/db"),
    ("TEMPLATE_ENCRYPTION_KEYS", "k:hunter2"),
]
OF_EVERY_SERVICE = [
    ("HOST", ""),
    ("PORT", "x"),
    ("PORT", "70000"),
    ("PRT", "3"),
    ("LOG_LEVEL", "LOUD"),
    ("TRACING_ENDPOINT", "foo"),
    ("KAFKA", "x"),
]
OF_ONE_SERVICE = [
    ("ingest", "INGEST_QUERY_API_URL", "query/"),
    ("ingest", "INGEST_ORG_TYPES_DIR", "/nope"),
    ("query-api", "QUERY_API_ORG_TYPES_DIR", "/nope"),
    ("query-api", "QUERY_API_PRIMARY_DATABASE_URL", "foo"),
    ("attendance-projector", "ATTENDANCE_PROJECTOR_TICK_INTERVAL", "1"),
    ("attendance-projector", "ATTENDANCE_PROJECTOR_STALL_LIMIT", "soon"),
    ("attendance-projector", "ATTENDANCE_PROJECTOR_EARLIEST_ON", "yesterday"),
    ("recognition-worker", "RECOGNITION_WORKER_CALIBRATION", "/nope"),
    ("recognition-worker", "RECOGNITION_WORKER_CALIBRATION", __file__),
    ("recognition-worker", "RECOGNITION_WORKER_MODEL_REGISTRY", "/nope"),
    ("recognition-worker", "RECOGNITION_WORKER_MODEL", "Nope"),
    ("recognition-worker", "RECOGNITION_WORKER_MODEL_CACHE", f"{__file__}/models"),
    ("recognition-worker", "RECOGNITION_WORKER_EMBEDDER", "foo"),
]
WRONG = [
    *[
        (service, name, value)
        for name, value in OF_A_GROUP
        for service, prefixes in GROUPS.items()
        if name.startswith(tuple(f"{prefix}_" for prefix in prefixes))
    ],
    *[
        (service, f"{service.upper().replace('-', '_')}_{name}", value)
        for name, value in OF_EVERY_SERVICE
        for service in GROUPS
    ],
    *OF_ONE_SERVICE,
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(tuple(f"{prefix}_" for prefixes in GROUPS.values() for prefix in prefixes)):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def asked(service: str, *arguments: str) -> Result:
    cli = importlib.import_module(f"{service.replace('-', '_')}.__main__").cli
    return CliRunner().invoke(cli, arguments)


def assert_refused(result: Result, *variables: str) -> None:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    (sentence,) = result.output.splitlines()
    for variable in variables:
        assert variable in sentence
    for word in ("Traceback", "Value error", "pattern", "very-secret", "hunter2", "_:"):
        assert word not in sentence


@pytest.mark.parametrize("service", GROUPS)
@pytest.mark.parametrize("arguments", [("--check-config",), ("run", "--check-config")])
def test_right_settings_are_complete(service: str, arguments: tuple[str, ...]) -> None:
    result = asked(service, *arguments)
    assert (result.exit_code, result.output) == (0, "the settings are complete\n")


@pytest.mark.parametrize(("service", "name", "value"), WRONG)
def test_a_wrong_variable_is_named(
    environment: pytest.MonkeyPatch, service: str, name: str, value: str
) -> None:
    environment.setenv(name, value)
    assert_refused(asked(service, "--check-config"), name)


@pytest.mark.parametrize("service", GROUPS)
def test_every_wrong_variable_is_named_at_once(environment: pytest.MonkeyPatch, service: str) -> None:
    own = service.upper().replace("-", "_")
    wrong = {
        f"{own}_PORT": "x",
        f"{own}_PRT": "3",
        "KAFKA_SECURITY_PROTOCOL": "foo",
        "KAFKA_TOPIC_PERFIX": "a",
    }
    for name, value in wrong.items():
        environment.setenv(name, value)
    environment.delenv("SCHEMA_REGISTRY_URL")
    assert_refused(asked(service), *wrong, "SCHEMA_REGISTRY_URL is not set")


@pytest.mark.parametrize("service", GROUPS)
@pytest.mark.parametrize("folder", ["/nope", __file__, ""])
def test_a_secrets_folder_that_is_none_is_refused(
    environment: pytest.MonkeyPatch, service: str, folder: str
) -> None:
    environment.setenv("SECRETS_DIR", folder)
    assert_refused(asked(service, "--check-config"), "SECRETS_DIR")


@pytest.mark.parametrize("service", GROUPS)
def test_variables_of_others_are_left_alone(environment: pytest.MonkeyPatch, service: str) -> None:
    others = {
        "KAFKA_OPTS": "-Dx=y", "KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_SERVICE_HOST": "10.0.0.1",
        "KAFKA_PORT": "tcp://10.0.0.1:9092", "VALKEY_PORT_6379_TCP_ADDR": "10.0.0.2",
        "SCHEMA_REGISTRY_SERVICE_PORT": "8081", "DATABASE_PORT": "tcp://10.0.0.3:5432",
    }  # fmt: skip
    for name, value in others.items():
        environment.setenv(name, value)
    assert asked(service, "--check-config").exit_code == 0


@pytest.mark.parametrize("command", [("migrate",), ("explain", "--from-store", "p", "--on", "2026-03-02")])
def test_commands_that_read_the_database_alone_refuse_its_url(
    environment: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    for url in ("foo", "postgresql://u:very-secret@h:bad/db"):
        environment.setenv("DATABASE_URL", url)
        assert_refused(asked("attendance-projector", *command), "DATABASE_URL")


@pytest.mark.parametrize("service", GROUPS)
def test_help_cuts_no_sentence_short(service: str) -> None:
    said = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).invoke(
        importlib.import_module(f"{service.replace('-', '_')}.__main__").cli, ["--help"], terminal_width=80
    )
    assert "..." not in said.output.replace("[ARGS]...", "")


@pytest.mark.parametrize("service", ["ingest", "attendance-projector"])
def test_a_port_that_is_taken_is_named_with_its_variable(service: str) -> None:
    own = service.upper().replace("-", "_")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "192.0.2.1", "no-such-host.invalid"):
            chosen = {**os.environ, f"{own}_HOST": host, f"{own}_PORT": str(port)}
            ended = subprocess.run(
                [BIN / service], env=chosen, capture_output=True, text=True, timeout=60, check=False
            )
            assert ended.returncode == 1
            last = ended.stderr.splitlines()[-1] if ended.stderr else ended.stdout.splitlines()[-1]
            for word in (host, str(port), f"{own}_HOST", f"{own}_PORT"):
                assert word in last
            assert "Traceback" not in last

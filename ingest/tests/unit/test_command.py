from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from attendance_testing.described_settings import undescribed
from ingest.__main__ import cli
from ingest.metrics import IngestMetrics
from ingest.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:2",
    "OBJECT_STORE_ACCESS_KEY": "key",
    "OBJECT_STORE_SECRET_KEY": "very-secret",
    "OBJECT_STORE_BUCKET": "images",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "attendance",
    "AUTH_JWKS": "https://issuer.example/keys",
    "VALKEY_URL": "redis://:very-secret@127.0.0.1:3/0",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:4",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def ended(capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return its exit code and what it printed."""
    with pytest.raises(SystemExit) as caught:
        cli(arguments, prog_name="ingest")
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_help_names_every_setting_and_so_does_the_readme(capsys):
    code, text, _ = ended(capsys, "--help")
    assert code == 0
    assert undescribed(Settings) == []
    for name, field in Settings.model_fields.items():
        if field.default_factory is None:
            assert Settings.variable(name) in text
            assert Settings.variable(name) in README
    for name in ENVIRONMENT:
        assert name.partition("_")[0] in README


def test_every_metric_is_in_the_readme():
    registry = CollectorRegistry()
    IngestMetrics(registry)
    for metric in registry.collect():
        assert metric.name in README


def test_complete_settings_pass(environment, capsys):
    assert ended(capsys, "--check-config") == (0, "the settings are complete\n", "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("INGEST_PROT", "1", "INGEST_PROT is not a setting, did you mean INGEST_PORT"),
        ("INGEST_MAX_IMAGE_BYTES", "ten", "INGEST_MAX_IMAGE_BYTES"),
        ("OBJECT_STORE_ENDPOINT", "s3", "OBJECT_STORE_ENDPOINT"),
        ("INGEST_QUERY_API_URL", "query/", "INGEST_QUERY_API_URL"),
        ("INGEST_ORG_TYPES_DIR", "/nowhere", "INGEST_ORG_TYPES_DIR: /nowhere is no folder"),
    ],
)
def test_wrong_settings_are_named_without_secrets(environment, capsys, name, value, message):
    environment.setenv(name, value)
    code, _, text = ended(capsys, "--check-config")
    assert code == 2
    assert message in text
    assert "very-secret" not in text


def test_missing_settings_are_named(environment, capsys):
    environment.delenv("KAFKA_BOOTSTRAP_SERVERS")
    code, _, text = ended(capsys)
    assert code == 2
    assert text == "ingest: set these variables right and start again: KAFKA_BOOTSTRAP_SERVERS is not set\n"

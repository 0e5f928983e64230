import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from attendance_projector.__main__ import cli
from attendance_projector.feed.metrics import OutboxMetrics, PresenceMetrics
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.settings import Settings
from service_kit.errors import SettingsError

SCENARIOS = Path(__file__).parent.parent / "scenarios"
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:2",
    "DATABASE_URL": "postgresql://127.0.0.1:3/attendance",
}


def test_explain_prints_days_and_why() -> None:
    result = CliRunner().invoke(cli, ["explain", "--scenario", str(SCENARIOS / "window_is_inclusive.json")])
    assert result.exit_code == 0
    assert "2026-03-02  day  PRESENT  6 h 00 min" in result.output
    assert "unscheduled, for review: p4, p3" in result.output
    assert "[first_last_counting]" in result.output


def test_explain_prints_marks() -> None:
    result = CliRunner().invoke(cli, ["explain", "--scenario", str(SCENARIOS / "late_and_early.json")])
    assert "(late, early)" in result.output


def test_explain_prints_json() -> None:
    path = SCENARIOS / "full_morning.json"
    result = CliRunner().invoke(cli, ["explain", "--json", "--scenario", str(path)])
    assert json.loads(result.output)["days"][0]["worked_minutes"] == 240


def test_explain_says_when_there_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_text('{"site_zone": "UTC"}')
    assert "no days" in CliRunner().invoke(cli, ["explain", "--scenario", str(file)]).output


def test_explain_names_a_wrong_field(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text('{"site_zone": "Mars/Olympus"}')
    result = CliRunner().invoke(cli, ["explain", "--scenario", str(file)])
    assert result.exit_code == 2
    assert "site_zone" in result.output


def test_scenarios_prints_each_with_its_rules_and_fails_on_a_difference(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes((SCENARIOS / "full_morning.json").read_bytes())
    expected = tmp_path / "a.expected.json"
    expected.write_bytes((SCENARIOS / "full_morning.expected.json").read_bytes())
    right = CliRunner().invoke(cli, ["scenarios", str(tmp_path)])
    assert right.exit_code == 0
    assert "ok  a: alternating_pairing, first_last_counting" in right.output
    expected.write_text('{"days": [], "unscheduled": [], "review": []}')
    wrong = CliRunner().invoke(cli, ["scenarios", str(tmp_path)])
    assert wrong.exit_code == 1
    assert "differs  a" in wrong.output
    expected.unlink()
    (tmp_path / "a.json").unlink()
    assert CliRunner().invoke(cli, ["scenarios", str(tmp_path)]).exit_code == 1


def test_run_refuses_unknown_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().batch_records == 5000
    monkeypatch.setenv("ATTENDANCE_PROJECTOR_BATCH_RECORD", "7")
    with pytest.raises(SettingsError, match="BATCH_RECORDS"):
        Settings.load()
    result = CliRunner().invoke(cli, ["run"])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["--check-config"], ["run"], ["feed"], ["migrate"], ["rebuild"], ["rebuild-worker"], ["retention"]],
)
def test_every_command_refuses_wrong_settings_in_one_sentence(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert result.output.startswith("attendance-projector: ")
    assert result.output.count("\n") == 1
    assert "DATABASE_URL is not set" in result.output


def test_complete_settings_are_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert CliRunner().invoke(cli, ["--check-config"]).exit_code == 0


def test_help_lists_the_settings() -> None:
    said = CliRunner().invoke(cli, ["--help"]).output
    assert "ATTENDANCE_PROJECTOR_BATCH_RECORDS" in said
    assert "DATABASE_URL" in said


def test_help_loads_only_what_it_needs() -> None:
    heavy = {
        "aiokafka",
        "alembic",
        "asyncpg",
        "msgspec",
        "prometheus_client",
        "rich",
        "sqlalchemy",
        "structlog",
    }
    program = "import sys, attendance_projector.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert heavy & set(loaded.split()) == set()


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    for metrics in (ProjectorMetrics, OutboxMetrics, PresenceMetrics):
        metrics(registry)
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    assert [metric.name for metric in registry.collect() if metric.name not in readme] == []


@pytest.mark.parametrize(
    "name", [name for name, field in Settings.model_fields.items() if not field.default_factory]
)
def test_every_setting_is_documented(name: str) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    assert Settings.variable(name) in readme


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give one of"),
        (["--from-store", "p", "--what-if", __file__], "give one of"),
        (["--from-store", "p"], "--on is missing"),
        (["--from-store", "p", "--on", "2026-02-30"], "--on 2026-02-30 does not read"),
        (["--from-store", "p", "--on", "0001-01-01"], "--on 0001-01-01 does not read"),
        (["--scenario", __file__, "--on", "2026-03-02"], "go with --from-store"),
        (["--from-store", "p", "--on", "2026-03-02", "--site", "s"], "go with --what-if"),
        (["--what-if", __file__, "--month", "2026-03"], "either --person or --site"),
        (["--what-if", __file__, "--person", "p", "--month", "2026-13"], "--month 2026-13 does not read"),
        (["--what-if", __file__, "--person", "p", "--month", "2026-03"], "the what-if does not read"),
        (["--from-store", "p", "--on", "2026-03-02"], "DATABASE_URL"),
    ],
)
def test_explain_says_how_it_is_used(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(cli, ["explain", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_explain_says_when_the_database_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/attendance")
    result = CliRunner().invoke(cli, ["explain", "--from-store", "p", "--on", "2026-03-02"])
    assert result.exit_code == 3
    assert "postgresql" in result.output

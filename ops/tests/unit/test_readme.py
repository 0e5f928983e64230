from pathlib import Path

import pytest
from typer.testing import CliRunner

from attendance_ops.__main__ import cli
from attendance_ops.settings import Settings
from attendance_testing.described_settings import undescribed

ROOT = Path(__file__).parents[3]
README = (ROOT / "ops/README.md").read_text(encoding="utf-8")
COMMANDS = (
    *(["status"], ["lag"], ["inspect"], ["trace"], ["reconcile"]),
    *(["dlq", name] for name in ("list", "show", "diagnose", "redrive", "edit", "discard")),
    *(["archive", name] for name in ("run", "once", "list", "verify", "prune")),
    *(["replay", name] for name in ("plan", "run", "approve", "verify", "pause", "cancel", "list")),
)


def test_every_setting_is_described_and_in_the_readme() -> None:
    assert undescribed(Settings) == []
    for name, field in Settings.model_fields.items():
        if field.default_factory is None or name == "operator":
            assert Settings.variable(name) in README


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_is_in_the_readme(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert command[-1] in README


@pytest.mark.parametrize("group", [[], ["dlq"], ["replay"], ["archive"]], ids=str)
def test_help_cuts_no_sentence_short(group: list[str]) -> None:
    result = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).invoke(
        cli, [*group, "--help"], terminal_width=80
    )
    assert "..." not in result.output.replace("[ARGS]...", "")


def test_settings_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    result = CliRunner().invoke(cli, ["lag"])
    assert result.exit_code == 2
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in result.output

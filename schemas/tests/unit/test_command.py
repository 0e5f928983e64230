"""The command as a shell sees it: one line and an exit code, never a traceback."""

import subprocess
import sys

import pytest

NOWHERE = ("apply", "--bootstrap-servers", "127.0.0.1:1", "--registry-url", "http://127.0.0.1:1")


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attendance_schemas", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_lists_the_commands() -> None:
    found = ended("--help")
    assert found.returncode == 0
    for name in ("list", "apply", "check", "release"):
        assert f"  {name} " in found.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (NOWHERE, 1, "error no Kafka broker answers at 127.0.0.1:1"),
        (("check", "--released", "nowhere"), 2, "error no release found under nowhere"),
        (("no-such",), 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: tuple[str, ...], code: int, message: str) -> None:
    found = ended(*arguments)
    assert found.returncode == code
    assert message in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr

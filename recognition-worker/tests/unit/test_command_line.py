import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from recognition_worker.__main__ import cli
from recognition_worker.settings import Settings
from service_kit.state.envelope import KeyRing

ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:1",
    "OBJECT_STORE_ACCESS_KEY": "key",
    "OBJECT_STORE_SECRET_KEY": "secret",
    "OBJECT_STORE_BUCKET": "images",
}


HEAVY = {"numpy", "cv2", "tensorflow", "openvino", "onnxruntime", "aiokafka", "faust", "rich"}
COMMANDS = (
    "run", "evaluate", "calibrate", "new-key", "re-encrypt", "models", "re-enrol", "compare", "rollout",
    "rollout canary",
    "go-on-from",
)  # fmt: skip
CALIBRATE = ("calibrate", "--known", ".", "--unknown", ".")
IMPORTED = """
import json, sys
from recognition_worker.__main__ import cli
try:
    cli(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_new_key_is_printed_as_the_setting_it_is_for() -> None:
    made = run("new-key", "--id", "2026-11")
    assert made.exit_code == 0
    variable, _, value = made.stdout.strip().partition("=")
    assert variable == "TEMPLATE_ENCRYPTION_KEYS"
    assert KeyRing.parse(value).current_id == "2026-11"
    assert run("new-key", "--id", "no spaces").exit_code == 2


@pytest.mark.parametrize("command", ["run", "re-encrypt", "--check-config"])
@pytest.mark.parametrize("value", [None, "", "k:hunter2"])
def test_without_a_usable_key_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, command: str, value: str | None
) -> None:
    for name, text in ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("TEMPLATE_ENCRYPTION_KEYS", raising=False)
    if value is not None:
        monkeypatch.setenv("TEMPLATE_ENCRYPTION_KEYS", value)
    refused = run(command)
    assert refused.exit_code == 2
    said = refused.stderr
    assert "TEMPLATE_ENCRYPTION_KEYS" in said
    assert "recognition-worker new-key" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_nothing_that_only_work_needs(command: str) -> None:
    asked = [sys.executable, "-c", IMPORTED, *command.split(), "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert HEAVY.isdisjoint(module.partition(".")[0] for module in json.loads(done.stderr))
    if not command:
        assert {name.split()[0] for name in COMMANDS} <= set(done.stdout.split())
        assert Settings.variable("target_fpir") in done.stdout
        assert "(required)" in done.stdout.partition("TEMPLATE_ENCRYPTION_KEYS")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollout",), "Missing command"),
        (("rollout", "canary", "Dlib", "--percent", "0"), "a share from 1 to 100 is needed"),
        (("compare", "--since", "yesterday"), "an instant with its zone"),
        (("go-on-from", "2999-01-01T00:00:00Z"), "still to come"),
        (("go-on-from", "1969-12-31T23:59:59Z"), "before 1970"),
        (("go-on-from", "0001-01-01T00:00:00+14:00"), "before 1970"),
        ((*CALIBRATE, "--floor", "2"), "a score from -1 to 1 is needed"),
        (
            ("calibrate", "--known", ".", "--unknown", ".", "--target-fpir", "0.01", "1"),
            "a share from 0 to 1",
        ),
        (
            ("calibrate", "--known", ".", "--unknown", ".", "--target-fpir", "0.01", "0"),
            "a --target-fpir above 0",
        ),
    ],
)
def test_wrong_usage_ends_with_a_sentence(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr

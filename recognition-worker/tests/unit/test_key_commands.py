import sys

import pytest

from recognition_worker.__main__ import main
from service_kit.state.envelope import KeyRing

ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:1",
    "OBJECT_STORE_ACCESS_KEY": "key",
    "OBJECT_STORE_SECRET_KEY": "secret",
    "OBJECT_STORE_BUCKET": "images",
}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["recognition-worker", *arguments])
    return main()


def test_a_new_key_is_printed_as_the_setting_it_is_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "new-key", "--id", "2026-11") == 0
    variable, _, value = capsys.readouterr().out.strip().partition("=")
    assert variable == "TEMPLATE_ENCRYPTION_KEYS"
    assert KeyRing.parse(value).current_id == "2026-11"
    assert run(monkeypatch, "new-key", "--id", "no spaces") == 2


@pytest.mark.parametrize("command", ["run", "re-encrypt"])
@pytest.mark.parametrize("value", [None, "", "k:hunter2"])
def test_without_a_usable_key_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, value: str | None
) -> None:
    for name, text in ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("TEMPLATE_ENCRYPTION_KEYS", raising=False)
    if value is not None:
        monkeypatch.setenv("TEMPLATE_ENCRYPTION_KEYS", value)
    assert run(monkeypatch, command) == 2
    said = capsys.readouterr().err
    assert "TEMPLATE_ENCRYPTION_KEYS" in said
    assert "python -m recognition_worker new-key" in said
    assert "hunter2" not in said

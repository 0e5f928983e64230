"""Secrets: made once, each service's own in its own folder, readable by nobody else."""

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from attendance_deploy.__main__ import cli
from attendance_deploy.errors import Refused
from attendance_deploy.prepare.secrets import prepare_secrets

SERVICES = (
    "prepare", "ingest", "recognition-worker", "attendance-projector", "attendance-feed", "query-api",
    "postgres", "postgres-replica", "object-store", "valkey", "grafana",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OBJECT_STORE_ACCESS_KEY", "OBJECT_STORE_SECRET_KEY", "AUTH_ISSUER", "AUTH_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    for service in SERVICES:
        (tmp_path / service).mkdir()
    return tmp_path


def prepared(root: Path) -> list[str]:
    said: list[str] = []
    prepare_secrets(root, said.append)
    return said


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_again_changes_nothing_and_says_so(root: Path) -> None:
    assert any(line.startswith("made ") for line in prepared(root))
    before = contents(root)
    assert prepared(root) == ["nothing to do"]
    assert contents(root) == before


def test_a_lost_folder_is_filled_again_with_the_same(root: Path) -> None:
    prepared(root)
    before = contents(root)
    for path in (root / "ingest").iterdir():
        path.unlink()
    prepared(root)
    assert contents(root) == before


def test_two_installations_have_nothing_in_common(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for service in SERVICES:
        (other / service).mkdir()
    prepared(root)
    prepared(other)
    assert not set(contents(root).values()) & set(contents(other).values())


def test_files_are_for_their_group_alone(root: Path) -> None:
    prepared(root)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()}
    assert modes == {0o440}


def test_each_service_gets_its_own_login_and_no_other(root: Path) -> None:
    prepared(root)
    logins = {
        "attendance-projector/database_url": "attendance_projector",
        "attendance-feed/database_url": "attendance_projector_feed",
        "query-api/query_database_url": "query_api",
        "ingest/valkey_url": "ingest",
    }
    for file, login in logins.items():
        assert f"//{login}:" in (root / file).read_text()
    keys = [
        (root / service / "object_store_secret_key").read_text()
        for service in ("ingest", "recognition-worker")
    ]
    assert len(set(keys)) == len(keys)
    assert not any(
        "owner" in text for name, text in contents(root).items() if not name.startswith("prepare/")
    )


def test_the_key_of_a_store_elsewhere_takes_the_place_of_ours(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root)
    monkeypatch.setenv("OBJECT_STORE_ACCESS_KEY", "theirs")
    monkeypatch.setenv("OBJECT_STORE_SECRET_KEY", "secret")
    said = prepared(root)
    assert "changed ingest/object_store_access_key; restart what reads it" in said
    assert (root / "recognition-worker/object_store_access_key").read_text() == "theirs\n"


def test_the_template_key_is_one_that_the_worker_takes(root: Path) -> None:
    prepared(root)
    name, _, key = (root / "recognition-worker/template_encryption_keys").read_text().strip().partition(":")
    assert name
    assert len(base64.b64decode(key, validate=True)) == 32


def test_a_service_that_is_not_here_gets_no_folder(root: Path) -> None:
    (root / "grafana").rmdir()
    prepared(root)
    assert not (root / "grafana").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        prepared(tmp_path)


def test_a_token_counts_with_the_keys_that_services_have(
    root: Path, monkeypatch: pytest.MonkeyPatch, token_of: Callable[..., str]
) -> None:
    prepared(root)
    token = token_of(root, "--role", "ops", "--org", "acme", "--site", "berlin")
    key = jwt.PyJWK(json.loads((root / "ingest/jwks.json").read_text())["keys"][0])
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="attendance", issuer="urn:attendance:site")
    assert (claims["roles"], claims["tenant"], claims["sites"]) == (["ops"], "acme", ["berlin"])
    assert jwt.get_unverified_header(token)["kid"] == key.key_id


def test_a_token_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["token", "--role", "ops", "--org", "acme", "--secrets", str(tmp_path)])
    assert isinstance(result.exception, Refused)
    assert "run `attendance-deploy prepare secrets` first" in str(result.exception)


@pytest.fixture
def token_of() -> Callable[..., str]:
    def ask(root: Path, *arguments: str) -> str:
        result = CliRunner().invoke(cli, ["token", *arguments, "--secrets", str(root)])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    return ask

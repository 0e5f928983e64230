"""Each refusal through the real commands: exit code 2 and a message that says what to do."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.packaged_models import ModelFiles
from service_kit.state.envelope import new_key

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PACKAGED = resources.files("recognition_worker") / "models"


@pytest.fixture
def run(model_files: ModelFiles, tmp_path: Path) -> Run:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBJECT_STORE_")}
    environment = {
        **inherited,
        "RECOGNITION_WORKER_MODEL_CACHE": str(model_files.deepface_home),
        "RECOGNITION_WORKER_MODEL_REGISTRY": str(tmp_path),
    }

    def running(*arguments: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "recognition_worker", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env={**environment, **more}
        )

    return running


def changed(packaged: str, /, **fields: str) -> str:
    """Return a packaged manifest with other values; the source's are named source_FIELD."""
    lines = (PACKAGED / f"{packaged}.toml").read_text(encoding="utf-8").splitlines()
    part = ""
    for at, line in enumerate(lines):
        if line.startswith("["):
            part = line.strip("[]") + "_"
        key = part + line.split(" = ")[0]
        if key in fields:
            lines[at] = f'{line.split(" = ")[0]} = "{fields[key]}"'
    return "\n".join(lines)


def test_the_list_has_every_model_with_its_state(run: Run) -> None:
    done = run("models", "--json")
    assert done.returncode == 0, done.stderr
    listed = {model["name"]: model for model in json.loads(done.stdout)["models"]}
    assert listed["SFace"]["state"] == "ready"
    assert {point["people_up_to"] for point in listed["SFace"]["thresholds"]} == {200, 2_000, 20_000, 200_000}
    assert listed["ArcFace"]["state"] == "refused: licence"
    assert listed["Facenet512"]["state"] == "refused: weights"
    assert "Dlib" in listed
    shown = run("models")
    assert shown.returncode == 0
    assert f"SFace@{packaged_manifest().version}: proven in " in shown.stdout


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("ArcFace", r"licence 'LicenseRef-non-commercial-research'"),
        ("Facenet512", "facenet512_weights.onnx of Facenet512 facenet512-v1 is missing"),
        ("Nobody", "there is no model 'Nobody'; known are ArcFace@arcface-v1"),
    ],
)
@pytest.mark.parametrize("command", ["models", "evaluate", "calibrate"])
def test_a_model_that_cannot_be_used_is_refused(
    run: Run, faces_dir: Path, command: str, model: str, why: str
) -> None:
    photos = ("--known", faces_dir / "known", "--unknown", faces_dir / "unknown")
    done = run("models", "--prove", model) if command == "models" else run(command, "--model", model, *photos)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_weights_say_where_they_belong_and_how_to_get_them(run: Run, tmp_path: Path) -> None:
    done = run("models", "--prove", "Facenet512")
    assert f"taken from {tmp_path}, as weights/facenet512_weights.onnx" in done.stderr
    assert "Get it from https://" in done.stderr


def test_weights_without_a_stated_digest_are_not_loaded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "facenet512_weights.onnx").write_bytes(b"whatever this is")
    done = run("models", "--prove", "Facenet512")
    assert done.returncode == 2
    digest = hashlib.sha256(b"whatever this is").hexdigest()
    assert f"its manifest states no sha256 that would prove them; theirs is {digest}" in done.stderr


def test_a_wrong_checksum_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        changed("facenet512", name="Mine", version="mine-1", sha256="ab" * 32), encoding="utf-8"
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "facenet512_weights.onnx").write_bytes(b"not those")
    done = run("models", "--prove", "Mine")
    assert done.returncode == 2
    assert "the manifest of Mine mine-1 expects abab" in done.stderr
    assert "put the right file there" in done.stderr


def test_a_file_that_is_no_model_is_refused_though_its_digest_is_right(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        changed("facenet512", name="Mine", version="mine-2", sha256=hashlib.sha256(b"text").hexdigest()),
        encoding="utf-8",
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "facenet512_weights.onnx").write_bytes(b"text")
    done = run("models", "--prove", "Mine")
    assert done.returncode == 2
    assert "DeepFace cannot load facenet512_weights.onnx" in done.stderr


def test_a_package_that_is_not_installed_names_the_extra(run: Run, tmp_path: Path) -> None:
    manifest = changed("dlib", version="elsewhere", source_package="no_such_package")
    (tmp_path / "mine.toml").write_text(manifest, encoding="utf-8")
    done = run("models", "--prove", "Dlib@elsewhere")
    assert done.returncode == 2
    assert "package no_such_package, which is missing: install recognition-worker[dlib]" in done.stderr


def test_a_manifest_that_names_another_file_than_its_source_gives_is_refused(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        changed("sface", version="own-2", source_restoration="none"), encoding="utf-8"
    )
    done = run("models", "--prove", "SFace@own-2")
    assert done.returncode == 2
    assert "(restoration none) gave SHA-256" in done.stderr


def test_a_broken_manifest_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name =", encoding="utf-8")
    done = run("models")
    assert done.returncode == 2
    assert f"the manifest {tmp_path / 'broken.toml'} is wrong" in done.stderr


def test_a_registry_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("models", RECOGNITION_WORKER_MODEL_REGISTRY=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "which is no folder; create it" in done.stderr


def test_weights_of_the_operators_folder_are_proven_and_cached(
    run: Run, tmp_path: Path, model_files: ModelFiles
) -> None:
    (tmp_path / "mine.toml").write_text(
        changed("sface", version="own-1", source_package="no_such_package"), encoding="utf-8"
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / model_files.weights_file.name).symlink_to(model_files.weights_file)
    done = run("models", "--prove", "SFace@own-1", "--json")
    assert done.returncode == 0, done.stderr
    file = Path(json.loads(done.stdout)["file"])
    assert file.read_bytes() == model_files.weights_file.read_bytes()
    assert file.is_relative_to(model_files.deepface_home / "SFace-own-1")


WORKER = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "OBJECT_STORE_ENDPOINT": "http://127.0.0.1:1",
    "OBJECT_STORE_ACCESS_KEY": "key",
    "OBJECT_STORE_SECRET_KEY": "secret",
    "OBJECT_STORE_BUCKET": "images",
    "RECOGNITION_WORKER_PORT": "0",
    "TEMPLATE_ENCRYPTION_KEYS": new_key("test"),
}


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("ArcFace", "terms may forbid this use"),
        ("Facenet512", "has no calibrated thresholds, so it must not decide"),
        ("Nobody", "there is no model 'Nobody'"),
    ],
)
def test_the_worker_does_not_start_with_a_model_that_must_not_decide(run: Run, model: str, why: str) -> None:
    done = run("run", RECOGNITION_WORKER_MODEL=model, **WORKER)
    assert done.returncode == 2, done.stderr
    assert why in done.stdout + done.stderr

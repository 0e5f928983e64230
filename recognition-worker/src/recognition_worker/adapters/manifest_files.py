"""Reads the manifests of models: those of this package, and those of the operator's folder."""

from importlib import resources
from pathlib import Path

from recognition_worker.domain.model_manifest import ModelManifest, parse_manifest
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.errors import ModelRefused

_DEFAULT = "sface.toml"
_SUFFIX = ".toml"


def packaged_manifest() -> ModelManifest:
    """Return the manifest of the default model."""
    text = (resources.files("recognition_worker") / "models" / _DEFAULT).read_text(encoding="utf-8")
    return parse_manifest(text)


def read_registry(folder: Path | None = None) -> ModelRegistry:
    """Read the packaged manifests and those of a folder, `*.toml`.

    Raises:
        ModelRefused: there is no such folder, or a manifest is wrong.
    """
    packaged = [
        parse_manifest(file.read_text(encoding="utf-8"), file=f"the packaged manifest {file.name}")
        for file in (resources.files("recognition_worker") / "models").iterdir()
        if file.name.endswith(_SUFFIX)
    ]
    if folder is None:
        return ModelRegistry(packaged)
    if not folder.is_dir():
        raise ModelRefused(
            f"RECOGNITION_WORKER_MODEL_REGISTRY names {folder}, which is no folder; create it, or unset the "
            "variable to have the packaged models only"
        )
    return ModelRegistry(packaged, [_read(file) for file in sorted(folder.glob(f"*{_SUFFIX}"))])


def _read(file: Path) -> ModelManifest:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"the manifest {file} cannot be read: {error}; correct it") from error
    return parse_manifest(text, file=f"the manifest {file}")

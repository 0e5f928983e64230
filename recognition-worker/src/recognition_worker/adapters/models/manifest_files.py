"""Reads and writes manifests: this package's, the operator's, and those that `calibrate --write` made."""

from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from recognition_worker.domain.model_manifest import ModelManifest, parse_manifest
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.errors import EvaluationRefused, ModelRefused

_DEFAULT = "sface.toml"
_SUFFIX = ".toml"
_HEADER = "# Written by `recognition-worker calibrate --write`; its evaluation says from what.\n\n"


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


def read_calibration(file: Path) -> ModelManifest:
    """Read the thresholds that an operator calibrated.

    Raises:
        ModelRefused: the file is missing, or no manifest.
    """
    return _read(file, "calibration", "name a file that `calibrate --write` made")


def _read(file: Path, kind: str = "manifest", advice: str = "correct it") -> ModelManifest:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"the {kind} {file} cannot be read: {error}; {advice}") from error
    return parse_manifest(text, file=f"the {kind} {file}")


def write_manifest(file: Path, manifest: ModelManifest) -> None:
    """Write a manifest; a reader meanwhile sees the old one or the new one.

    Raises:
        EvaluationRefused: the file cannot be written.
    """
    plain: dict[str, Any] = _without_absent(msgspec.to_builtins(manifest))
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(_HEADER + tomli_w.dumps(plain), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise EvaluationRefused(
            f"the thresholds cannot be written to {file}: {error}; name another --write"
        ) from error


def _without_absent(value: Any) -> Any:
    """Leave out what TOML cannot say, and what says nothing."""
    if isinstance(value, dict):
        return {name: _without_absent(item) for name, item in value.items() if item not in (None, "", [])}
    if isinstance(value, list):
        return [_without_absent(item) for item in value]
    return value

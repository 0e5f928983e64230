"""Reads and writes manifests as files: what `calibrate --write` leaves and the worker takes up again."""

from pathlib import Path

import msgspec
import tomli_w

from recognition_worker.domain.model_manifest import ModelManifest, parse_manifest
from recognition_worker.errors import EvaluationRefused, ModelRefused

_HEADER = "# Written by `python -m recognition_worker calibrate --write`; its evaluation says from what.\n\n"


def read_manifest(file: Path) -> ModelManifest:
    """Read a manifest.

    Raises:
        ModelRefused: the file is missing, or no manifest.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(
            f"the calibration {file} cannot be read: {error}; name a file that `calibrate --write` made"
        ) from error
    return parse_manifest(text)


def write_manifest(file: Path, manifest: ModelManifest) -> None:
    """Write a manifest; whoever reads it meanwhile sees the old one or the new one.

    Raises:
        EvaluationRefused: the file cannot be written.
    """
    plain = {
        name: value for name, value in msgspec.to_builtins(manifest).items() if value not in (None, "", [])
    }
    plain["operating_points"] = [
        {name: value for name, value in point.items() if value is not None}
        for point in plain["operating_points"]
    ]
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(_HEADER + tomli_w.dumps(plain), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise EvaluationRefused(
            f"the thresholds cannot be written to {file}: {error}; name another --write"
        ) from error

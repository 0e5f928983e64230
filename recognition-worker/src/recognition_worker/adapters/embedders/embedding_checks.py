"""What every embedder asks of its model file and of its first embedding."""

import numpy as np

from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.domain.face import Vector
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.errors import ModelRefused
from recognition_worker.recognition.ports import Embedder


def require_weights(files: ModelFiles) -> None:
    """Refuse to go on without the prepared file.

    Raises:
        ModelRefused: it was removed since it was proven.
    """
    if not files.weights_file.is_file():
        source = files.manifest.source
        whence = f"the package {source.package}" if source else "where it was found"
        raise ModelRefused(
            f"{files.weights_file} with the weights of {files.manifest.model} is missing; start again: it is "
            f"made anew from {whence}, nothing is downloaded"
        )


def require_dimensions(embedder: Embedder, manifest: ModelManifest) -> None:
    """Embed one grey crop, which also warms the model.

    Raises:
        ModelRefused: the model gives other dimensions than the manifest says.
    """
    size = manifest.input_size
    found = embedder.embed([np.full((size, size, 3), 127, dtype=np.uint8)]).shape[1]
    if found != manifest.dimensions:
        raise ModelRefused(
            f"{manifest.model} gives {found} dimensions, its manifest says {manifest.dimensions}; "
            "the manifest belongs to another file: correct it and start again"
        )


def unit_norm(raw: Vector) -> Vector:
    """Divide each row by its length."""
    unit: Vector = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit

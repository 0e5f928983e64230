"""Chooses what computes the embeddings, by what the machine has. The weights are the same for all.

The choice is about SFace: it has networks of this project's own. Every other model runs as DeepFace runs it.

A GPU is looked for by the driver's device files first: to ask TensorFlow would load it, seconds and some
700 MB, into every worker of a machine that has none.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from recognition_worker.adapters.embedders import (
    deepface_sface_embedder,
    keras_sface_embedder,
    openvino_sface_embedder,
)
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.runtimes import openvino_runtime
from recognition_worker.errors import ModelRefused
from recognition_worker.recognition.ports import Embedder
from recognition_worker.settings import OPENVINO_CHOICES, EmbedderChoice

# Source: NVIDIA driver README, "device files"; /dev/dxg is the GPU inside WSL.
_DEVICE_FILES = ("dev/nvidia[0-9]*", "dev/dxg")


def gpu_is_there(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the machine shows a GPU to this process, without loading TensorFlow."""
    if environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(True for pattern in _DEVICE_FILES for _ in root.glob(pattern))


def choose(
    wanted: EmbedderChoice,
    *,
    gpu_is_there: Callable[[], bool] = gpu_is_there,
    gpu_is_visible: Callable[[], bool] = keras_sface_embedder.gpu_is_visible,
    openvino_is_installed: Callable[[], bool] = openvino_runtime.is_installed,
    multiplies_bytes: Callable[[], bool] = openvino_runtime.multiplies_bytes,
) -> EmbedderChoice:
    """Return what is wanted, or for auto: keras on a GPU, else one of openvino's, else deepface.

    Raises:
        ModelRefused: openvino is wanted and not installed.
    """
    if wanted in OPENVINO_CHOICES and not openvino_is_installed():
        raise ModelRefused(
            f"the embedder {wanted.value} is wanted and the package openvino is missing; "
            "install the locked versions, or set RECOGNITION_WORKER_EMBEDDER to auto"
        )
    if wanted is not EmbedderChoice.AUTO:
        return wanted
    if gpu_is_there() and gpu_is_visible():
        return EmbedderChoice.KERAS
    if not openvino_is_installed():
        return EmbedderChoice.DEEPFACE
    return EmbedderChoice.OPENVINO_INT8 if multiplies_bytes() else EmbedderChoice.OPENVINO


def load_embedder(choice: EmbedderChoice, files: ModelFiles) -> Embedder:
    """Load the model with the runtime of a choice that is made; models other than SFace by DeepFace's client.

    Raises:
        ModelRefused: a file is missing or cannot be loaded.
    """
    if files.manifest.client != deepface_sface_embedder.SFACE:
        return deepface_sface_embedder.DeepFaceEmbedder(files)
    match choice:
        case EmbedderChoice.OPENVINO:
            return openvino_sface_embedder.OpenVinoSFaceEmbedder(files)
        case EmbedderChoice.OPENVINO_INT8:
            return openvino_sface_embedder.OpenVinoSFaceEmbedder(files, openvino_runtime.Precision.INT8)
        case EmbedderChoice.KERAS:
            client = deepface_sface_embedder.register_keras_sface(files)
            return keras_sface_embedder.KerasSFaceEmbedder(files.manifest, client)
        case EmbedderChoice.DEEPFACE:
            return deepface_sface_embedder.DeepFaceSFaceEmbedder(files)
        case EmbedderChoice.AUTO:
            return load_embedder(choose(choice), files)

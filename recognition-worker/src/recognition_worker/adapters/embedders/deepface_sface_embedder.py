"""Embeds faces with DeepFace's clients: SFace, the reference, and any other model that DeepFace has.

Only this file imports deepface.

DeepFace's model, weights file and `forward` are used; its detection and crop are not, because its crop
costs SFace 17 points of LFW accuracy. DeepFace itself has SFace only for ONNX Runtime, whichever engine is
chosen; naming the engine keeps TensorFlow out of the process (some 200 MB instead of 760). For its
TensorFlow engine this file registers the Keras network of `keras_sface_embedder`. DeepFace chooses its engine
once per process. It would download missing weights and never checks them, so only files that
`packaged_models` has proven are taken.
"""

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from recognition_worker.adapters.embedders.embedding_checks import (
    require_dimensions,
    require_weights,
    unit_norm,
)
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.runtimes.onnxruntime_session import calling_thread_session
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import ModelRefused

_LOG_ERRORS_ONLY = "40"
SFACE = "SFace"
_ONNX = "onnx"
_KERAS_CLIENT = "recognition_worker.adapters.embedders.keras_sface_embedder.KerasSFaceClient"


class DeepFaceSFaceEmbedder:
    """SFace as DeepFace runs it, on one core. Safe between threads: a run of the session keeps no state."""

    def __init__(self, files: ModelFiles) -> None:
        """Build the model.

        Raises:
            ModelRefused: the proven file is gone, cannot be loaded, or gives other dimensions than the
            manifest says.
        """
        self._manifest = files.manifest
        require_weights(files)
        self._client = _build(files, _ONNX)
        # DeepFace's own session takes a thread per core of the node.
        self._client.model = calling_thread_session(files.weights_file)
        require_dimensions(self, files.manifest)

    @property
    def model(self) -> ModelId:
        """Return name and version from the manifest."""
        return self._manifest.model

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops, uint8 (112, 112, 3) BGR. Returns float32 (n, 128), unit norm, in order."""
        if not crops:
            return np.zeros((0, self._manifest.dimensions), dtype=np.float32)
        # DeepFace's forward takes BGR in [0, 1] and makes bytes of it again: float32 keeps all 256 values
        # exact.
        batch = np.stack(crops).astype(np.float32) / np.float32(255)
        raw = np.asarray(self._client.forward(batch), dtype=np.float32).reshape(len(crops), -1)
        return unit_norm(raw)

    def represent(self, pixels: Pixels) -> Vector | None:
        """Embed the largest face as `DeepFace.represent` does, with its own detection (YuNet) and crop.

        For comparisons only, and not thread-safe. Returns float32 (128,), unit norm; None without a face.
        """
        return _represented(pixels, SFACE)


class DeepFaceEmbedder:
    """Any model that DeepFace has a client for, one face after the other.

    Safe between threads: they take turns, because not every client keeps no state (dlib's does).
    """

    def __init__(self, files: ModelFiles) -> None:
        """Build the model from its proven file.

        Raises:
            ModelRefused: DeepFace has no such client, its runtime is not installed, the file is gone or does
            not load, or it gives other dimensions than the manifest says.
        """
        self._manifest = files.manifest
        require_weights(files)
        self._home = files.deepface_home
        self._client = _own_client(files)
        self._turn = threading.Lock()
        if tuple(self._client.input_shape) != (files.manifest.input_size,) * 2:
            raise ModelRefused(
                f"DeepFace's {files.manifest.client} takes crops of {self._client.input_shape}, the manifest "
                f"of {files.manifest.model} says {files.manifest.input_size}: correct it and start again"
            )
        require_dimensions(self, files.manifest)

    @property
    def model(self) -> ModelId:
        """Return name and version from the manifest."""
        return self._manifest.model

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops, uint8 (size, size, 3) BGR. Returns float32 (n, d), unit norm, in order."""
        if not crops:
            return np.zeros((0, self._manifest.dimensions), dtype=np.float32)
        return unit_norm(np.stack([self._one(crop) for crop in crops]))

    def represent(self, pixels: Pixels) -> Vector | None:
        """Embed the largest face as `DeepFace.represent` does, for comparisons only; None without a face."""
        os.environ["DEEPFACE_HOME"] = str(self._home)  # a client that DeepFace builds by itself looks there
        return _represented(pixels, self._manifest.client)

    def _one(self, crop: Pixels) -> Vector:
        from deepface.modules.preprocessing import normalize_input

        # DeepFace's clients take BGR in [0, 1]; some make bytes of it again, cut off and not rounded.
        scaled = crop[None].astype(np.float32) / np.float32(255)
        with self._turn:
            raw = self._client.forward(normalize_input(scaled, self._manifest.normalisation))
        return np.asarray(raw, dtype=np.float32).reshape(-1)


def load_reference(files: ModelFiles) -> DeepFaceSFaceEmbedder | DeepFaceEmbedder:
    """Load a model as DeepFace runs it; ModelRefused."""
    kind = DeepFaceSFaceEmbedder if files.manifest.client == SFACE else DeepFaceEmbedder
    return kind(files)


def register_keras_sface(files: ModelFiles) -> Any:
    """Make DeepFace run SFace on TensorFlow; return its client, a KerasSFaceClient.

    From then on every use of DeepFace's SFace in this process is this one model.

    Raises:
        ModelRefused: the weights are missing, or DeepFace already runs another engine in this process.
    """
    require_weights(files)
    return _build(files, "tensorflow", _KERAS_CLIENT)


def _represented(pixels: Pixels, client: str) -> Vector | None:
    from deepface.modules import representation
    from deepface.modules.exceptions import FaceNotDetected

    try:
        found = representation.represent(
            pixels, model_name=client, detector_backend="yunet", align=True, max_faces=1
        )
    except FaceNotDetected:
        return None
    raw = np.asarray(found[0]["embedding"], dtype=np.float32)
    unit: Vector = unit_norm(raw.reshape(1, -1))[0]
    return unit


def _own_client(files: ModelFiles) -> Any:
    """Build a client that DeepFace does not keep: it keeps one by name, and versions share a name."""
    manifest = files.manifest
    os.environ["DEEPFACE_HOME"] = str(files.deepface_home)
    os.environ.setdefault("DEEPFACE_BACKEND_ENGINE", _ONNX)  # weights for ONNX Runtime are what is asked for
    os.environ.setdefault("DEEPFACE_LOG_LEVEL", _LOG_ERRORS_ONLY)
    from deepface.modules import modeling
    from deepface.modules.exceptions import UnimplementedError

    try:
        return modeling.get_model_class("facial_recognition", manifest.client)()
    except (UnimplementedError, ImportError) as error:
        extra = manifest.source.extra if manifest.source else None
        install = f"install recognition-worker[{extra}]" if extra else "install what it names"
        raise ModelRefused(f"DeepFace cannot run {manifest.client} here: {error}; {install}") from error
    except (ValueError, RuntimeError) as error:  # what DeepFace and dlib raise for a file that does not load
        raise ModelRefused(
            f"DeepFace cannot load {files.weights_file.name}: {error}; empty the model cache and start again"
        ) from error


def _build(files: ModelFiles, engine: str, client: str | None = None) -> Any:
    os.environ["DEEPFACE_HOME"] = str(files.deepface_home)
    os.environ["DEEPFACE_BACKEND_ENGINE"] = engine
    os.environ.setdefault("DEEPFACE_LOG_LEVEL", _LOG_ERRORS_ONLY)
    from deepface.commons import backend_utils
    from deepface.modules import modeling

    running = backend_utils.get_backend_engine()
    if running != engine:
        raise ModelRefused(
            f"DeepFace already runs on {running} in this process and cannot change to {engine}; "
            "use one of the embedders deepface and keras per process"
        )
    if client is not None:
        modeling.AVAILABLE_MODELS["facial_recognition"]["SFace"][engine] = client
    try:
        return modeling.build_model("facial_recognition", "SFace")
    except ValueError as error:  # what DeepFace raises for a graph that does not load
        raise ModelRefused(
            f"DeepFace cannot load {files.weights_file.name}: {error}; empty the model cache and start again"
        ) from error

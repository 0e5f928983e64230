"""Embeds faces with DeepFace's SFace client. The only file that imports deepface and onnxruntime.

DeepFace's model, weights file and `forward` are used; its detection and crop are not, because its crop
costs SFace 17 points of LFW accuracy. DeepFace's SFace runs on ONNX Runtime whichever backend is chosen;
naming the backend keeps TensorFlow out of the process (some 200 MB instead of 760). DeepFace would download
missing weights and never checks them, so this adapter takes only files that `packaged_models` has proven.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from recognition_worker.adapters.packaged_models import ModelFiles
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import ModelRefused

_LOG_ERRORS_ONLY = "40"


class DeepFaceSFaceEmbedder:
    """SFace as DeepFace runs it, on one core. Safe between threads: a run of the session keeps no state."""

    def __init__(self, files: ModelFiles) -> None:
        """Build the model.

        Raises:
            ModelRefused: the proven file is gone, cannot be loaded, or gives other dimensions than the
            manifest says.
        """
        self._manifest = files.manifest
        if not files.sface_file.is_file():
            raise ModelRefused(
                f"{files.sface_file} is missing; run prepare_models on this cache directory: "
                "nothing is downloaded"
            )
        os.environ["DEEPFACE_HOME"] = str(files.deepface_home)
        os.environ.setdefault("DEEPFACE_BACKEND_ENGINE", "onnx")
        os.environ.setdefault("DEEPFACE_LOG_LEVEL", _LOG_ERRORS_ONLY)
        from deepface.modules import modeling

        try:
            self._client: Any = modeling.build_model("facial_recognition", "SFace")
        except ValueError as error:  # what DeepFace raises for a graph that does not load
            raise ModelRefused(
                f"DeepFace cannot load {files.sface_file.name}: {error}; "
                "empty the model cache and start again"
            ) from error
        self._client.model = _one_core_session(files)
        self._check_dimensions()

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
        unit: Vector = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return unit

    def _check_dimensions(self) -> None:
        size = self._manifest.input_size
        found = self.embed([np.full((size, size, 3), 127, dtype=np.uint8)]).shape[1]
        if found != self._manifest.dimensions:
            raise ModelRefused(
                f"{self.model} gives {found} dimensions, its manifest says {self._manifest.dimensions}"
            )


def _one_core_session(files: ModelFiles) -> Any:
    """Load the file that DeepFace loads, but bound to one thread: DeepFace takes one per core of the node."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # the graph lists constants that it does not use, once per line
    return onnxruntime.InferenceSession(
        str(files.sface_file), sess_options=options, providers=["CPUExecutionProvider"]
    )

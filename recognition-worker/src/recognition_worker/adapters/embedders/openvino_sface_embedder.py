"""Embeds faces with SFace on OpenVINO, the fast way on a CPU.

Where the processor computes bfloat16 (AVX512-BF16 or AMX), the network does, on the same weights; elsewhere
float32. In bytes, its wide products are computed with 8 bits and the rest as said.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recognition_worker.adapters.embedders.embedding_checks import (
    require_dimensions,
    require_weights,
    unit_norm,
)
from recognition_worker.adapters.embedders.openvino_byte_network import byte_model
from recognition_worker.adapters.models.onnx_sface_restoration import read_network
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.runtimes.openvino_runtime import OneCoreModel, Precision, best_float, library
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import ModelRefused

# More at once no longer fit the processor's cache (docs/recognition/speed.md).
AT_ONCE = 8


def compile_sface(files: ModelFiles, precision: Precision | None = None) -> tuple[OneCoreModel, Precision]:
    """Compile the network; without a precision, bfloat16 where the processor has it.

    Raises:
        ModelRefused: OpenVINO cannot load the file.
    """
    core = library().Core()
    floats = best_float(core)
    precision = precision or floats
    try:
        if precision is Precision.INT8:
            model: Any = byte_model(read_network(files.sface_file.read_bytes()))
        else:
            model, floats = core.read_model(files.sface_file), precision
        return OneCoreModel(core, model, floats), precision
    except RuntimeError as error:
        raise ModelRefused(
            f"OpenVINO cannot load {files.sface_file.name}: {error}; empty the model cache and start again"
        ) from error


class OpenVinoSFaceEmbedder:
    """SFace on one core. Safe between threads."""

    def __init__(self, files: ModelFiles, precision: Precision | None = None) -> None:
        """Compile the model; without a precision, bfloat16 where the processor has it.

        Raises:
            ModelRefused: the proven file is gone, cannot be loaded, or gives other dimensions than the
            manifest says.
        """
        require_weights(files)
        self._manifest = files.manifest
        self._network, self.precision = compile_sface(files, precision)
        require_dimensions(self, files.manifest)

    @property
    def model(self) -> ModelId:
        """Return name and version from the manifest."""
        return self._manifest.model

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops, uint8 (112, 112, 3) BGR. Returns float32 (n, 128), unit norm, in order."""
        if not crops:
            return np.zeros((0, self._manifest.dimensions), dtype=np.float32)
        raw = [self._raw(crops[start : start + AT_ONCE]) for start in range(0, len(crops), AT_ONCE)]
        return unit_norm(np.concatenate(raw))

    def _raw(self, crops: Sequence[Pixels]) -> Vector:
        # RGB, channels first. Inside OpenVINO's graph the same steps cost a fifth of the speed.
        planes = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
        return self._network(np.ascontiguousarray(planes, dtype=np.float32)).copy()

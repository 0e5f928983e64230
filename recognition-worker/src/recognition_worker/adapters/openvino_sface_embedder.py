"""Embeds faces with SFace on OpenVINO, the fast way on a CPU. The only file that imports openvino.

One stream on one thread: a worker process has one core and scales by more processes. Where the processor
computes bfloat16 (AVX512-BF16 or AMX), the network does, on the same weights; elsewhere float32.
"""

import threading
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from typing import Any

import numpy as np

from recognition_worker.adapters.embedding_checks import require_dimensions, require_weights, unit_norm
from recognition_worker.adapters.packaged_models import ModelFiles
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import ModelRefused

_DEVICE = "CPU"
# Source: OpenVINO, property OPTIMIZATION_CAPABILITIES; the CPU plugin lists it for AVX512-BF16 and AMX-BF16.
_BF16 = "BF16"


class Precision(StrEnum):
    """What the network computes in; the values are OpenVINO's element types."""

    FLOAT32 = "f32"
    BFLOAT16 = "bf16"


def is_installed() -> bool:
    """Tell whether this machine has OpenVINO, without loading it."""
    return find_spec("openvino") is not None


class OpenVinoSFaceEmbedder:
    """SFace on one core. Safe between threads: each has its own request, and they take turns on the core."""

    def __init__(self, files: ModelFiles, precision: Precision | None = None) -> None:
        """Compile the model; without a precision, bfloat16 where the processor has it.

        Raises:
            ModelRefused: the proven file is gone, cannot be loaded, or gives other dimensions than the
            manifest says.
        """
        require_weights(files)
        import openvino  # type: ignore[import-untyped]

        self._manifest = files.manifest
        core = openvino.Core()
        self.precision = precision or _best_precision(core)
        options = {
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": 1,
            "INFERENCE_PRECISION_HINT": self.precision.value,
            # Pinned, two worker processes would share the first core.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._compiled: Any = core.compile_model(core.read_model(files.sface_file), _DEVICE, options)
        except RuntimeError as error:
            raise ModelRefused(
                f"OpenVINO cannot load {files.sface_file.name}: {error}; "
                "empty the model cache and start again"
            ) from error
        self._of_thread = threading.local()
        require_dimensions(self, files.manifest)

    @property
    def model(self) -> ModelId:
        """Return name and version from the manifest."""
        return self._manifest.model

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops, uint8 (112, 112, 3) BGR. Returns float32 (n, 128), unit norm, in order."""
        if not crops:
            return np.zeros((0, self._manifest.dimensions), dtype=np.float32)
        # RGB, channels first. Inside OpenVINO's graph the same steps cost a fifth of the speed.
        planes = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
        result = self._request().infer([np.ascontiguousarray(planes, dtype=np.float32)])
        return unit_norm(np.asarray(result[0], dtype=np.float32))

    def _request(self) -> Any:
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        return request


def _best_precision(core: Any) -> Precision:
    capabilities = core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
    return Precision.BFLOAT16 if _BF16 in capabilities else Precision.FLOAT32

"""How this worker uses OpenVINO: on the thread that asks. The only file that imports openvino.

A worker process has one core and scales by more processes.
"""

import platform
import threading
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEVICE = "CPU"
# Source: OpenVINO, property OPTIMIZATION_CAPABILITIES; the CPU plugin lists it for AVX512-BF16 and AMX-BF16.
_BF16 = "BF16"
# Source: Linux, arch/x86/include/asm/cpufeatures.h. Without it sums of products of bytes may overflow.
_BYTE_PRODUCTS = "avx512_vnni"
_CPU_INFO = Path("/proc/cpuinfo")


class Precision(StrEnum):
    """What a network computes in; the values are OpenVINO's element types."""

    FLOAT32 = "f32"
    BFLOAT16 = "bf16"
    INT8 = "i8"


def is_installed() -> bool:
    """Tell whether this machine has OpenVINO, without loading it."""
    return find_spec("openvino") is not None


def library() -> Any:
    """Return OpenVINO; the first call loads it."""
    import openvino  # type: ignore[import-untyped]

    return openvino


def multiplies_bytes(cpu_info: Path = _CPU_INFO, machine: str = platform.machine()) -> bool:
    """Tell whether the processor multiplies bytes faster than floats, and exactly (AVX512-VNNI)."""
    if machine != "x86_64" or not cpu_info.is_file():
        return False
    lines = cpu_info.read_text(encoding="utf-8").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return _BYTE_PRODUCTS in flags.split()


def best_float(core: Any) -> Precision:
    """Return bfloat16 where the processor computes in it, else float32."""
    capabilities = core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    return Precision.BFLOAT16 if _BF16 in capabilities else Precision.FLOAT32


class OneCoreModel:
    """A compiled network with one result. Safe between threads: each has its own request; they take turns."""

    def __init__(self, core: Any, model: Any, computes_in: Precision) -> None:
        """Compile. computes_in: of what the model itself does not put into bytes."""
        options = {
            # No threads of its own: who asks, computes.
            "NUM_STREAMS": 0,
            "INFERENCE_NUM_THREADS": 1,
            "INFERENCE_PRECISION_HINT": computes_in.value,
            # Pinned, two worker processes would share the first core.
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = core.compile_model(model, DEVICE, options)
        self._of_thread = threading.local()

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute; the result is valid until this thread's next call."""
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        # Not as an argument of `infer`, which takes 40 microseconds to see what it was given.
        request.set_input_tensor(library().Tensor(values, shared_memory=True))
        request.infer(share_outputs=True)
        found: NDArray[np.float32] = request.get_output_tensor().data
        return found

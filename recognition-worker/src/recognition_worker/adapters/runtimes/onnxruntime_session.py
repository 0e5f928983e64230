"""Opens ONNX Runtime sessions that compute on the calling thread. The only file that imports onnxruntime."""

from pathlib import Path
from typing import Any

_ERRORS_ONLY = 3  # SFace's graph lists constants that it does not use, once per line


def calling_thread_session(model: Path | bytes, *, keep_memory: bool = True) -> Any:
    """Load a model. Left alone, ONNX Runtime takes a thread per core of the node.

    keep_memory: what one run allocated stays for the next, whatever its size.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.enable_cpu_mem_arena = keep_memory
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, sess_options=options, providers=["CPUExecutionProvider"])

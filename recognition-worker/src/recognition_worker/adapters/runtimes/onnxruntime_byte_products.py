"""Multiplies bytes with ONNX Runtime, on the calling thread.

Its product of bytes (MatMulInteger) uses the processor's own instructions for them (AVX512-VNNI and its
like). numpy has no such product: it would multiply whole numbers one by one. DeepFace also runs on ONNX
Runtime; this session has one thread, the caller's, and so gets into nobody's way.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition_worker.adapters.runtimes.onnxruntime_session import calling_thread_session
from recognition_worker.domain.search.compact_rows import ByteProducts, Codes
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

_DIMENSIONS = 128
# A graph of one node, codes (uint8) by probes (int8) to products (int32), opset 13; the contract test builds
# it again with the library of the format, which a worker on OpenVINO need not load.
PRODUCT_GRAPH = (
    b'\x08\x08:\xb0\x01\n(\n\x05codes\n\x06probes\x12\x08products"\rMatMulInteger\x12\rbyte products'
    b"Z%\n\x05codes\x12\x1c\n\x1a\x08\x02\x12\x16\n\x06\x12\x04rows\n\x0c\x12\ndimensions"
    b"Z(\n\x06probes\x12\x1e\n\x1c\x08\x03\x12\x18\n\x0c\x12\ndimensions\n\x08\x12\x06probes"
    b"b$\n\x08products\x12\x18\n\x16\x08\x06\x12\x12\n\x06\x12\x04rows\n\x08\x12\x06probesB\x04\n\x00\x10\r"
)


class OnnxRuntimeByteProducts:
    """A ByteProducts. Safe between threads; computes without the interpreter lock."""

    def __init__(self) -> None:
        # What one large search needed is not kept for ever.
        self._session: Any = calling_thread_session(PRODUCT_GRAPH, keep_memory=False)

    def __call__(self, codes: Codes, probes: NDArray[np.int8]) -> NDArray[np.int32]:
        """Multiply codes (n, d) by probes (d, p). Returns int32 (n, p)."""
        products: NDArray[np.int32] = self._session.run(None, {"codes": codes, "probes": probes})[0]
        return products


def load_byte_products() -> ByteProducts | None:
    """Return the product, or None, with a warning, when this processor's is not exact to the last bit."""
    products = OnnxRuntimeByteProducts()
    if is_exact(products):
        return products
    log.warning("this processor's product of bytes is not exact; large galleries are searched in float32")
    return None


def is_exact(products: ByteProducts) -> bool:
    """Compare with numpy, at the largest values that the gallery's codes take and in between."""
    drawn = np.random.default_rng(0)
    codes = drawn.integers(1, 256, (64, _DIMENSIONS)).astype(np.uint8)
    probes = drawn.integers(-63, 64, (_DIMENSIONS, 17)).astype(np.int8)
    codes[0], probes[:, 0], probes[:, 1] = 255, 63, -63
    return np.array_equal(products(codes, probes), codes.astype(np.int32) @ probes.astype(np.int32))

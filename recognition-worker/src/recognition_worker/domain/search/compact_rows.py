"""Rows in one byte per number, for a first look at a large gallery, and how far such a look may be off.

A row is rounded to 255 steps, a probe to 127. The product of the two is a whole number, which processors
compute many times faster than float32 and read from a quarter of the memory. By Cauchy and Schwarz it is off
by at most |row - rounded row| * |probe| + |rounded row| * |probe - rounded probe|. Both roundings are known,
so the search keeps each person who may still be the best, and loses nobody.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector

Codes = NDArray[np.uint8]

_CODE_OF_ZERO = 128
_ROW_STEPS = 127
# Source: ONNX Runtime, "Quantize ONNX models": before AVX512-VNNI, processors add two products of an unsigned
# and a signed byte in 16 bits, saturating. 2 * 255 * 63 = 32,130 fits; with 127 steps it would not.
_PROBE_STEPS = 63
# Numbers of a unit vector spread like 1 / sqrt(d). SFace's largest of 51,200 was at 4.1 of these; what is
# beyond 5.5 is cut off, and the error counted.
_SPREADS = 5.5
# Rows and probes are unit vectors within 0.1 %.
_NORM = 1.001


class ByteProducts(Protocol):
    """Exact products of bytes, by what this processor does fastest. Safe between threads."""

    def __call__(self, codes: Codes, probes: NDArray[np.int8]) -> NDArray[np.int32]:
        """Multiply codes (n, d) by probes (d, p). Returns int32 (n, p), equal to the last bit everywhere."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ByteProbes:
    """Probes as bytes. A product p means the score `p * scale + offset`, give or take the error.

    rounding: |probe - rounded probe| of each; the rows' own is added by `error_bound`.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    rounding: NDArray[np.float64]

    def error_bound(self, row_rounding: float) -> NDArray[np.float64]:
        """Return how far scores may be off when no row is rounded by more than this."""
        return row_rounding * _NORM + (_NORM + row_rounding) * self.rounding


def encode_rows(rows: Vector) -> tuple[Codes, NDArray[np.float64]]:
    """Round rows (n, d) of norm 1 at most. Returns the codes and |row - rounded row| of each."""
    step = _row_step(rows.shape[1])
    steps = np.clip(np.rint(rows / np.float32(step)), -_ROW_STEPS, _ROW_STEPS)
    codes: Codes = (steps + np.float32(_CODE_OF_ZERO)).astype(np.uint8)
    off = rows - steps.astype(np.float64) * step
    return codes, np.sqrt((off * off).sum(axis=1))


def encode_probes(probes: Vector) -> ByteProbes:
    """Round probes (p, d), unit norm, each to its own steps."""
    exact = probes.astype(np.float64)
    steps = np.abs(exact).max(axis=1) / _PROBE_STEPS
    codes = np.rint(exact / steps[:, None])
    scale = steps * _row_step(probes.shape[1])
    return ByteProbes(
        codes=np.ascontiguousarray(codes.T.astype(np.int8)),
        scale=scale,
        offset=-_CODE_OF_ZERO * codes.sum(axis=1) * scale,
        rounding=np.linalg.norm(exact - codes * steps[:, None], axis=1),
    )


def _row_step(dimensions: int) -> float:
    return min(_SPREADS / math.sqrt(dimensions), 1.0) / _ROW_STEPS

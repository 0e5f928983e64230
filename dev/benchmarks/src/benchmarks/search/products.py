"""Processor milliseconds of the products behind a search, by number format: why the gallery looks at bytes.

`python -m benchmarks.search.products [--rows 100000] [--core 0]`. One process, one core, one thread; the
ways take turns; the ratio is to float32 with numpy within each turn. 8,192 rows at a time, as the gallery.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # read by numpy when it is imported

import numpy as np

from recognition_worker.adapters.runtimes.onnxruntime_byte_products import OnnxRuntimeByteProducts
from recognition_worker.domain.face import Vector
from recognition_worker.domain.search.compact_rows import encode_probes, encode_rows
from recognition_worker.domain.search.dense_rows import CHUNK_ROWS

DIMENSIONS = 128
Product = Callable[[slice], object]


def _unit(count: int, drawn: np.random.Generator) -> Vector:
    made: Vector = drawn.standard_normal((count, DIMENSIONS), np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def _converting(rows: Any, columns: Vector, convert: Callable[[Any, Vector], None]) -> Product:
    """Turn a chunk into float32, then multiply."""
    chunk = np.empty((CHUNK_ROWS, DIMENSIONS), np.float32)

    def multiply(part: slice) -> object:
        some = rows[part]
        convert(some, chunk[: len(some)])
        return chunk[: len(some)] @ columns

    return multiply


def _shift(some: Any, chunk: Vector) -> None:
    whole = chunk.view(np.uint32)
    whole[...] = some
    np.left_shift(whole, 16, out=whole)


def _openvino(rows: Any, probes: Any, kind: str) -> Product:
    """A matrix product of OpenVINO on tensors as they lie in memory."""
    import openvino as ov  # type: ignore[import-untyped]
    from openvino import opset13 as op

    element = {"bf16": ov.Type.bf16, "int8": ov.Type.i8}[kind]
    left, right = op.parameter([-1, DIMENSIONS], element), op.parameter([len(probes), DIMENSIONS], element)
    sides = [left, right]
    if kind == "int8":  # what its quantised networks look like; so it multiplies bytes
        sides = [
            op.fake_quantize(op.convert(side, ov.Type.f32), -128.0, 127.0, -128.0, 127.0, 256)
            for side in sides
        ]
    product = op.convert(op.matmul(*sides, False, True), ov.Type.f32)
    options: dict[str, object] = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    options["INFERENCE_PRECISION_HINT"] = "bf16" if kind == "bf16" else "f32"
    request = (
        ov.Core().compile_model(ov.Model([product], [left, right]), "CPU", options).create_infer_request()
    )
    request.set_input_tensor(1, ov.Tensor(probes, list(probes.shape), element))

    def multiply(part: slice) -> object:
        some = rows[part]
        request.set_input_tensor(0, ov.Tensor(some, list(some.shape), element))
        request.infer()
        return request.get_output_tensor(0).data

    return multiply


def _ways(rows: Vector, probes: Vector) -> dict[str, tuple[int, Product]]:
    """Return bytes per row and the product of each way; the first is the baseline."""
    columns = np.ascontiguousarray(probes.T)
    half, brain = rows.astype(np.float16), (rows.view(np.uint32) >> 16).astype(np.uint16)
    signed = np.rint(rows * 300).clip(-127, 127).astype(np.int8)
    codes, _ = encode_rows(rows)
    coded = encode_probes(probes).codes
    product = OnnxRuntimeByteProducts()
    return {
        "float32, numpy": (512, lambda part: rows[part] @ columns),
        "float16 to float32, numpy": (256, _converting(half, columns, lambda some, to: np.copyto(to, some))),
        "bfloat16 to float32, numpy": (256, _converting(brain, columns, _shift)),
        "int8 to float32, numpy": (128, _converting(signed, columns, lambda some, to: np.copyto(to, some))),
        "bfloat16, OpenVINO": (
            256,
            _openvino(brain, (probes.view(np.uint32) >> 16).astype(np.uint16), "bf16"),
        ),
        "int8, OpenVINO": (
            128,
            _openvino(signed, np.rint(probes * 300).clip(-127, 127).astype(np.int8), "int8"),
        ),
        "uint8, ONNX Runtime": (128, lambda part: product(codes[part], coded)),
    }


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of 128 numbers (default 100,000)")
    parser.add_argument("--rounds", type=int, default=9, help="turns (default 9)")
    parser.add_argument("--core", type=int, default=0, help="the core (default 0)")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    drawn = np.random.default_rng(0)
    rows, probes = _unit(arguments.rows, drawn), _unit(16, drawn)
    parts = [slice(at, at + CHUNK_ROWS) for at in range(0, arguments.rows, CHUNK_ROWS)]
    taken: dict[tuple[str, int], list[float]] = {}
    sizes: dict[str, int] = {}
    for count in (1, 16):
        ways = _ways(rows, np.ascontiguousarray(probes[:count]))
        for turn in range(arguments.rounds + 1):
            for name, (size, multiply) in ways.items():
                sizes[name] = size
                begin = time.process_time()
                for part in parts:
                    multiply(part)
                if turn:  # the first one loads and allocates
                    taken.setdefault((name, count), []).append((time.process_time() - begin) * 1000.0)
    base = next(iter(sizes))
    sys.stdout.write(f"{arguments.rows:,} rows, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n")
    sys.stdout.write(
        "| | bytes per row | 1 probe, ms | ratio | 16 probes, ms | ratio |\n" + "|---" * 6 + "|\n"
    )
    for name, size in sizes.items():
        cells = []
        for count in (1, 16):
            own, reference = taken[name, count], taken[base, count]
            ratio = statistics.median(there / here for there, here in zip(reference, own, strict=True))
            cells += [f"{statistics.median(own):.2f}", f"{ratio:.2f}"]
        sys.stdout.write(f"| {name} | {size} | " + " | ".join(cells) + " |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

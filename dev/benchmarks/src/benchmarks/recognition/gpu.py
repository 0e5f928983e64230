"""The Keras network's images per second by batch size, beside what its device reaches in a matrix product.

`python -m benchmarks.recognition.gpu --model-cache DIR [--backend tensorflow jax]`. The device is what the
Keras backend chooses: a GPU where there is one. Each backend has a process of its own. Float32 throughout, as
in production, and on a GPU without TensorFloat-32. Copies to and from the device are part of the time.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import Answer, Contest, Entrant, machine, spent_on
from recognition_worker.adapters.models.network_layers import Convolution, FlattenedDense, Network
from recognition_worker.adapters.models.onnx_sface_restoration import read_network
from recognition_worker.adapters.models.packaged_models import prepare_models

BACKENDS = ("tensorflow", "jax")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TERA = 1e12
_PRODUCTS = 8
_TURNS = 5


@dataclass(frozen=True, slots=True)
class Swept:
    """One batch size on one backend. share: of the device's measured limit."""

    backend: str
    batch: int
    images_per_second: float
    teraflops: float
    share: float


def flops_per_image(network: Network) -> float:
    """Count multiplications and additions of the convolutions and the dense layer; the rest is small."""
    height, width, _ = network.input_shape
    total = 0.0
    for layer in network.layers:
        if isinstance(layer, Convolution):
            size = layer.kernel.shape[0]
            height = (height + sum(layer.padding[0]) - size) // layer.stride + 1
            width = (width + sum(layer.padding[1]) - size) // layer.stride + 1
            total += 2.0 * height * width * layer.kernel.size
        elif isinstance(layer, FlattenedDense):
            total += 2.0 * layer.kernel.size
    return total


def load(model_cache: Path, side: int) -> Answer:
    """Build the network on the backend of KERAS_BACKEND.

    It answers a batch size with seconds per image, and None with the device, its limit and flops per image.
    """
    files = prepare_models(model_cache)
    from recognition_worker.adapters.embedders.keras_sface_embedder import compiled

    network = read_network(files.sface_file.read_bytes())
    # First, because it also tells TensorFlow to leave TensorFloat-32 alone.
    compute = compiled(network)
    faces = np.random.default_rng(0).integers(0, 256, (max(BATCHES), *network.input_shape), np.uint8)

    def answer(batch: int | None) -> Any:
        if batch is None:
            return _limit(side), flops_per_image(network)
        compute(faces[:batch])
        taken = [spent_on(lambda: compute(faces[:batch]), batch).wall for _ in range(_TURNS)]
        return statistics.median(taken)

    return answer


def _limit(side: int) -> tuple[str, float]:
    """Return the device's name and the flops per second of a product of two square float32 matrices."""
    import keras  # type: ignore[import-untyped]

    random = np.random.default_rng(1).normal(size=(side, side)).astype(np.float32)
    matrix = keras.ops.convert_to_tensor(random)
    best = 0.0
    for _ in range(_TURNS + 1):
        begin = time.perf_counter()
        product = matrix
        for _ in range(_PRODUCTS):
            product = keras.ops.matmul(product, matrix) * (1.0 / side)
        keras.ops.convert_to_numpy(keras.ops.sum(product))
        best = max(best, _PRODUCTS * 2.0 * side**3 / (time.perf_counter() - begin))
    return str(getattr(matrix, "device", "unknown")), best


def sweep(
    model_cache: Path, backends: Sequence[str], batches: Sequence[int], side: int, core: int | None
) -> tuple[list[Swept], dict[str, tuple[str, float]]]:
    """Measure each batch size on each backend; return also the device and limit of each backend."""
    entrants = [Entrant(name, load, (model_cache, side), {"KERAS_BACKEND": name}) for name in backends]
    found: list[Swept] = []
    limits: dict[str, tuple[str, float]] = {}
    with Contest(entrants, core) as contest:
        for name in backends:
            limits[name], flops = contest.ask(name)
            for batch in batches:
                seconds = contest.ask(name, batch)
                rate = flops / seconds
                found.append(Swept(name, batch, 1 / seconds, rate / TERA, rate / limits[name][1]))
    return found, limits


def report(found: Sequence[Swept], limits: Mapping[str, tuple[str, float]]) -> Iterator[str]:
    """Render one table per backend."""
    for name, (device, limit) in limits.items():
        yield f"{name} on {device}: float32 matrix product {limit / TERA:.3f} TFLOP/s\n"
        yield "| batch | images/s | TFLOP/s | share of the matrix product |"
        yield "|---|---|---|---|"
        for one in found:
            if one.backend == name:
                yield f"| {one.batch} | {one.images_per_second:.1f} | {one.teraflops:.3f} | {one.share:.0%} |"
        yield ""


def main() -> int:
    """Parse the command line and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    parser.add_argument(
        "--backend", nargs="+", choices=BACKENDS, default=[BACKENDS[0]], help="Keras backends"
    )
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), help="batch sizes")
    parser.add_argument(
        "--side", type=int, default=8192, help="of the matrices (default 8192; 1024 on a CPU)"
    )
    parser.add_argument("--core", type=int, help="bind all to one core; by default none")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    described = machine()
    found, limits = sweep(
        arguments.model_cache, arguments.backend, arguments.batches, arguments.side, arguments.core
    )
    if arguments.json:
        figures = {"machine": described, "limits": limits, "sweep": [asdict(one) for one in found]}
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join([described + "\n", *report(found, limits)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

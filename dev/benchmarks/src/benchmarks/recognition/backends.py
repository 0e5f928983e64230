"""Images per second of each embedder beside plain ONNX Runtime, all on one core, in one run.

`python -m benchmarks.recognition.backends --model-cache DIR [--faces DIR]`. Each runs in a
process of its own on the same core and they take turns, so that what else the machine does meets all of
them. Without --faces the crops are noise. With it (DIR/PERSON/N.jpg) the crops are aligned faces, and the
scores of all pairs are compared with the reference's.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import Answer, Contest, Entrant, machine, per_second, ratio, spent_on
from recognition_worker.adapters.embedders.embedder_choice import load_embedder
from recognition_worker.adapters.embedders.openvino_sface_embedder import OpenVinoSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.runtimes.openvino_runtime import Precision
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.alignment import CROP_SIZE, fit_similarity
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.settings import EmbedderChoice

BASELINE = "onnxruntime"
BATCHES = (1, 8, 16)
Embed = Callable[[Sequence[Pixels]], Vector]


def _onnxruntime(files: ModelFiles) -> Embed:
    """ONNX Runtime as it is meant to be used: one thread, whole batches, nothing around it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(files.sface_file), options, providers=["CPUExecutionProvider"])

    def embed(crops: Sequence[Pixels]) -> Vector:
        planes = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
        raw = session.run(None, {"data": np.ascontiguousarray(planes, np.float32)})[0]
        unit: Vector = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return unit

    return embed


BACKENDS: dict[str, Callable[[ModelFiles], Embed]] = {
    BASELINE: _onnxruntime,
    "deepface": lambda files: load_embedder(EmbedderChoice.DEEPFACE, files).embed,
    "keras": lambda files: load_embedder(EmbedderChoice.KERAS, files).embed,
    "openvino f32": lambda files: OpenVinoSFaceEmbedder(files, Precision.FLOAT32).embed,
    "openvino bf16": lambda files: OpenVinoSFaceEmbedder(files, Precision.BFLOAT16).embed,
    "openvino int8": lambda files: OpenVinoSFaceEmbedder(files, Precision.INT8).embed,
}


def _load(name: str, cache: Path, crops: Pixels) -> Answer:
    """Load a backend; it answers batch sizes with seconds per image, and 0 with all embeddings."""
    embed = BACKENDS[name](prepare_models(cache))
    for size in BATCHES:
        embed(list(crops[:size]))

    def answer(size: int) -> Any:
        if size == 0:
            return np.concatenate([embed(list(crops[at : at + 16])) for at in range(0, len(crops), 16)])
        rounds = max(1, 16 // size)
        batch = list(crops[:size])
        return spent_on(lambda: [embed(batch) for _ in range(rounds)], rounds * size).wall

    return answer


def _crops(files: ModelFiles, faces: Path | None) -> Pixels:
    if faces is None:
        return np.random.default_rng(0).integers(0, 256, (16, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    decoder, cropper = OpenCvImageDecoder(), OpenCvFaceCropper()
    detector = YuNetDetector(OpenCvYuNet(files.yunet_file))
    crops = []
    for file in sorted(faces.glob("*/[12].jpg")):
        pixels = decoder.decode(file.read_bytes()).pixels
        for face in detector.detect(pixels)[:1]:
            crops.append(cropper.crop(pixels, fit_similarity(face.landmarks), CROP_SIZE))
    return np.stack(crops)


def run(
    cache: Path, faces: Path | None, names: Sequence[str], rounds: int, core: int | None
) -> Iterator[str]:
    """Measure, and yield the report line by line."""
    yield f"{machine()}; one core each, median of {rounds} turns"
    crops = _crops(prepare_models(cache), faces)
    with Contest([Entrant(name, _load, (name, cache, crops)) for name in names], core) as contest:
        taken: dict[tuple[str, int], list[float]] = {}
        for _ in range(rounds):
            for size in BATCHES:
                for name in names:
                    taken.setdefault((name, size), []).append(contest.ask(name, size))
        yield from _table(names, taken, contest.ready_seconds)
        if faces is not None:
            yield from _agreement({name: contest.ask(name, 0) for name in names})


def _table(
    names: Sequence[str], taken: dict[tuple[str, int], list[float]], loads: dict[str, float]
) -> Iterator[str]:
    heads = [f"batch {size}: images/s | ratio" for size in BATCHES]
    yield "| | " + " | ".join(heads) + " | ready after s |"
    yield "|---" * (2 * len(BATCHES) + 2) + "|"
    for name in names:
        cells = []
        for size in BATCHES:
            pairs = taken[BASELINE, size], taken[name, size]
            cells += [f"{per_second(taken[name, size]):.0f}", f"{ratio(*pairs):.2f}"]
        yield f"| {name} | " + " | ".join(cells) + f" | {loads[name]:.1f} |"


def _agreement(embeddings: Mapping[str, Vector]) -> Iterator[str]:
    base = embeddings[BASELINE]
    scores = base @ base.T
    for name, own in embeddings.items():
        if name != BASELINE:
            distance = 1 - (own.astype(np.float64) * base).sum(axis=1).min()
            change = abs(own @ own.T - scores).max()
            found = f"largest 1 - cosine {distance:.1e}, score of a pair {change:.1e}"
            yield f"{name}: {len(base)} faces, {found}"


def main() -> int:
    """Parse the command line and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    parser.add_argument("--faces", type=Path, help="one folder per person: 1.jpg, 2.jpg, ...")
    parser.add_argument("--rounds", type=int, default=9, help="turns (default 9)")
    parser.add_argument(
        "--core", type=int, default=0, help="core for all of them; -1 leaves it open, for a GPU"
    )
    parser.add_argument("--only", choices=list(BACKENDS), help="beside the baseline, or the baseline alone")
    arguments = parser.parse_args()
    names = list(dict.fromkeys((BASELINE, arguments.only))) if arguments.only else list(BACKENDS)
    core = None if arguments.core < 0 else arguments.core
    for line in run(arguments.model_cache, arguments.faces, names, arguments.rounds, core):
        sys.stdout.write(line + "\n")
    alone = f"--model-cache {arguments.model_cache} --only {BASELINE}"
    sys.stdout.write(f"baseline alone: python -m benchmarks.recognition.backends {alone}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What every embedder keeps, whatever computes it; the reference is DeepFace's own client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognition_worker.adapters.embedders.embedder_choice import load_embedder
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.runtimes.openvino_runtime import multiplies_bytes
from recognition_worker.errors import ModelRefused
from recognition_worker.settings import EmbedderChoice

SCRIPT = Path(__file__).with_name("embedder_process.py")
REFERENCE = "deepface"
# 1 - cosine with the reference, by what the network computes in.
LIMITS = {"f32": 1e-4, "bf16": 1e-2, "i8": 1e-2}
# How much the score of two photos may change. What it does to rates: docs/recognition/speed.md.
SCORE_LIMITS = {"f32": 1e-4, "bf16": 1e-2, "i8": 5e-2}
# Of blocks of colour: bytes hold the range of values that faces have, and such blocks leave it.
BLOCK_LIMITS = {**LIMITS, "i8": 0.2}
# Keras on TensorFlow imports JAX where it is installed: here, for a test; not with the services.
LOADED = {
    "deepface": ["deepface", "onnxruntime"],
    "openvino": ["openvino"],
    "openvino-int8": ["openvino"],
    "openvino-float32": ["openvino"],
    "keras": ["deepface", "jax", "keras", "tensorflow"],
    "keras-through-deepface": ["deepface", "jax", "keras", "tensorflow"],
}
# In bytes only where the processor multiplies them exactly: elsewhere auto does not take it either.
BACKENDS = [name for name in LOADED if name != "openvino-int8" or multiplies_bytes()]


@dataclass
class Answer:
    embeddings: np.ndarray
    model: str
    precision: str
    loaded: list[str]

    @property
    def limit(self) -> float:
        return LIMITS[self.precision]


class Backend:
    """An embedder in its process."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        self.name = name
        self._process = process

    def embed(self, crops: np.ndarray, threads: int = 1) -> Answer:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        question = json.dumps({"count": len(crops), "threads": threads})
        questions.write(question.encode() + b"\n" + crops.tobytes())
        questions.flush()
        line = answers.readline()
        assert line, f"{self.name} ended"
        answer = json.loads(line)
        size = int(np.prod(answer["shape"])) * np.dtype(answer["dtype"]).itemsize
        data = np.frombuffer(answers.read(size), answer["dtype"]).reshape(answer["shape"])
        return Answer(data, answer["model"], answer["precision"], answer["loaded"])


@contextmanager
def running(name: str, files: ModelFiles) -> Iterator[Backend]:
    command = [sys.executable, str(SCRIPT), name, str(files.deepface_home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Backend(name, process)
        finally:
            process.kill()


@pytest.mark.parametrize("choice", [choice for choice in EmbedderChoice if choice != "auto"])
def test_missing_weights_are_refused_and_not_downloaded(
    model_files: ModelFiles, tmp_path: Path, choice: EmbedderChoice
) -> None:
    missing = replace(model_files, weights_file=tmp_path / "none.onnx", deepface_home=tmp_path)
    with pytest.raises(ModelRefused, match=r"none\.onnx .*is missing; start again.*nothing is downloaded"):
        load_embedder(choice, missing)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["deepface", "openvino", "keras"])
def test_a_manifest_of_other_dimensions_is_refused(model_files: ModelFiles, name: str) -> None:
    code = (
        "import sys, pathlib, dataclasses, msgspec\n"
        "from recognition_worker.adapters.embedders.embedder_choice import load_embedder\n"
        "from recognition_worker.adapters.models.packaged_models import prepare_models\n"
        "from recognition_worker.errors import ModelRefused\n"
        "from recognition_worker.settings import EmbedderChoice\n"
        "files = prepare_models(pathlib.Path(sys.argv[2]))\n"
        "manifest = msgspec.structs.replace(files.manifest, dimensions=512)\n"
        "try: load_embedder(EmbedderChoice(sys.argv[1]), dataclasses.replace(files, manifest=manifest))\n"
        "except ModelRefused as refusal: print(refusal)\n"
    )
    command = [sys.executable, "-c", code, name, str(model_files.deepface_home)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout
    assert "gives 128 dimensions, its manifest says 512" in said


@pytest.fixture(scope="module")
def reference(model_files: ModelFiles, request: Any) -> dict[str, np.ndarray]:
    """The reference's embeddings. Its process has ended: one runtime runs at a time."""
    sets = ("synthetic_crops", "drawn_crops", "real_crops")
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with running(REFERENCE, model_files) as backend:
        return {
            name: backend.embed(request.getfixturevalue(name)).embeddings for name in sets if name in wanted
        }


@pytest.fixture(scope="module", params=BACKENDS)
def backend(model_files: ModelFiles, reference: dict[str, np.ndarray], request: Any) -> Iterator[Backend]:
    with running(request.param, model_files) as backend:
        yield backend


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 1.0 - (one.astype(np.float64) * other).sum(axis=1)


def test_synthetic_crops_give_the_embeddings_of_the_reference(
    backend: Backend, reference: dict[str, np.ndarray], synthetic_crops: np.ndarray
) -> None:
    answer = backend.embed(synthetic_crops)
    limit = BLOCK_LIMITS[answer.precision]
    assert distances(answer.embeddings, reference["synthetic_crops"]).max() < limit


def test_drawn_faces_give_the_embeddings_of_the_reference(
    backend: Backend, reference: dict[str, np.ndarray], drawn_crops: np.ndarray
) -> None:
    answer = backend.embed(drawn_crops)
    assert distances(answer.embeddings, reference["drawn_crops"]).max() < answer.limit


def test_real_faces_give_the_embeddings_of_the_reference(
    backend: Backend, reference: dict[str, np.ndarray], real_crops: np.ndarray
) -> None:
    answer, expected = backend.embed(real_crops), reference["real_crops"]
    assert distances(answer.embeddings, expected).max() < answer.limit
    # What a decision is made of: the scores of all pairs of photos, and who comes first.
    scores, expected_scores = (
        answer.embeddings[::2] @ answer.embeddings[1::2].T,
        expected[::2] @ expected[1::2].T,
    )
    assert abs(scores - expected_scores).max() < SCORE_LIMITS[answer.precision]
    np.testing.assert_array_equal(scores.argmax(axis=1), expected_scores.argmax(axis=1))


def test_the_keras_network_needs_no_particular_keras_backend(
    model_files: ModelFiles, reference: dict[str, np.ndarray], synthetic_crops: np.ndarray
) -> None:
    with running("keras-on-jax", model_files) as backend:
        answer = backend.embed(synthetic_crops[:32])
    assert distances(answer.embeddings, reference["synthetic_crops"][:32]).max() < LIMITS["f32"]
    assert answer.loaded == ["jax", "keras"]


def test_embeddings_are_float32_of_unit_norm_and_name_the_model(
    backend: Backend, model_files: ModelFiles, synthetic_crops: np.ndarray
) -> None:
    answer = backend.embed(synthetic_crops[:3])
    assert (answer.embeddings.shape, answer.embeddings.dtype) == ((3, 128), np.float32)
    np.testing.assert_allclose(np.linalg.norm(answer.embeddings, axis=1), 1.0, atol=1e-6)
    assert answer.model == str(model_files.manifest.model)


@pytest.mark.parametrize("count", [1, 2, 3, 16, 33, 40])
def test_a_batch_of_any_size_equals_singles_in_order(
    backend: Backend, synthetic_crops: np.ndarray, count: int
) -> None:
    crops = synthetic_crops[-count:]
    answer = backend.embed(crops)
    singles = np.concatenate([backend.embed(crop[None]).embeddings for crop in crops])
    assert distances(answer.embeddings, singles).max() < answer.limit


def test_no_crops_give_no_embeddings(backend: Backend, synthetic_crops: np.ndarray) -> None:
    assert backend.embed(synthetic_crops[:0]).embeddings.shape == (0, 128)


def test_threads_share_one_embedder(backend: Backend, synthetic_crops: np.ndarray) -> None:
    alone = np.concatenate([backend.embed(crop[None]).embeddings for crop in synthetic_crops])
    together = backend.embed(synthetic_crops, threads=4).embeddings
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_backend_loads_no_other_runtime(backend: Backend, synthetic_crops: np.ndarray) -> None:
    assert backend.embed(synthetic_crops[:1]).loaded == LOADED[backend.name]

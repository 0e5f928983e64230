"""An embedder in a process of its own, asked over its standard streams.

Runtimes do not share a process well: DeepFace chooses its engine once, and TensorFlow's threads disturb
those of the others. A question is one line of JSON (`count`, `threads`) and the crops; an answer is one line
(`shape`, `loaded`, `model`) and the embeddings.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from recognition_worker.adapters.embedders.deepface_sface_embedder import register_keras_sface
from recognition_worker.adapters.embedders.embedder_choice import load_embedder
from recognition_worker.adapters.embedders.keras_sface_embedder import KerasSFaceClient, KerasSFaceEmbedder
from recognition_worker.adapters.embedders.openvino_sface_embedder import OpenVinoSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.runtimes.openvino_runtime import Precision
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.settings import EmbedderChoice

SIDE = 112
LIBRARIES = ("deepface", "jax", "keras", "onnxruntime", "openvino", "tensorflow")


class ThroughDeepFace:
    """The Keras network as whoever calls DeepFace gets it, with DeepFace's values in [0, 1]."""

    def __init__(self, files: ModelFiles) -> None:
        register_keras_sface(files)
        from deepface.modules import modeling

        self.model = files.manifest.model
        self._client = modeling.build_model("facial_recognition", "SFace")

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        if not crops:
            return np.zeros((0, self._client.output_shape), np.float32)
        images = np.stack(crops).astype(np.float32) / np.float32(255)
        raw = np.array(self._client.forward(images), np.float32).reshape(len(crops), -1)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def keras_on_jax(files: ModelFiles) -> KerasSFaceEmbedder:
    """Build the Keras network without TensorFlow, as DeepFace would not."""
    os.environ.update(KERAS_BACKEND="jax", DEEPFACE_HOME=str(files.deepface_home))
    return KerasSFaceEmbedder(files.manifest, KerasSFaceClient())


BACKENDS: dict[str, Callable[[ModelFiles], object]] = {
    "deepface": lambda files: load_embedder(EmbedderChoice.DEEPFACE, files),
    "openvino": lambda files: load_embedder(EmbedderChoice.OPENVINO, files),
    "openvino-int8": lambda files: load_embedder(EmbedderChoice.OPENVINO_INT8, files),
    "openvino-float32": lambda files: OpenVinoSFaceEmbedder(files, Precision.FLOAT32),
    "keras": lambda files: load_embedder(EmbedderChoice.KERAS, files),
    "keras-through-deepface": ThroughDeepFace,
    "keras-on-jax": keras_on_jax,
}


def main() -> None:
    embedder = BACKENDS[sys.argv[1]](prepare_models(Path(sys.argv[2])))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := questions.readline():
        question = json.loads(line)
        count, threads = question["count"], question["threads"]
        data = questions.read(count * SIDE * SIDE * 3)
        crops = list(np.frombuffer(data, np.uint8).reshape(count, SIDE, SIDE, 3))
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                singles = list(pool.map(lambda crop: embedder.embed([crop]), crops))
            embeddings = np.concatenate(singles)
        else:
            embeddings = embedder.embed(crops)
        answer = {
            "shape": embeddings.shape,
            "dtype": str(embeddings.dtype),
            "model": str(embedder.model),
            "precision": str(getattr(embedder, "precision", "f32")),
            "loaded": [name for name in LIBRARIES if name in sys.modules],
        }
        answers.write(json.dumps(answer).encode() + b"\n" + embeddings.tobytes())
        answers.flush()


if __name__ == "__main__":
    main()

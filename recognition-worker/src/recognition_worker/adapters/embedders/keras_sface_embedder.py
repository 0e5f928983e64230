"""Embeds faces with SFace as a Keras 3 model, the way to a GPU. Only this file imports keras and tensorflow.

The layers are portable Keras layers with the restored weights; TensorFlow computes them unless KERAS_BACKEND
says otherwise, as a graph that is traced once. Batches are filled up to a few sizes, because a GPU chooses
its kernels anew for each shape. `KerasSFaceClient` is what DeepFace knows as its TensorFlow implementation.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recognition_worker.adapters.embedders.embedding_checks import require_dimensions, unit_norm
from recognition_worker.adapters.models.network_layers import (
    BatchNormalisation,
    Convolution,
    FlattenedDense,
    Layer,
    Network,
    ParametricRelu,
    Scaling,
)
from recognition_worker.adapters.models.onnx_sface_restoration import read_network
from recognition_worker.adapters.models.packaged_models import sface_file_of
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_manifest import ModelManifest

BATCH_SIZES = (1, 2, 4, 8, 16, 32)

Compute = Callable[[Pixels], Vector]
"""uint8 (n, height, width, 3) BGR to float32 (n, d), not normalised."""


def gpu_is_visible() -> bool:
    """Ask TensorFlow whether it can use a GPU. Loads TensorFlow: seconds and some 700 MB."""
    return bool(_tensorflow().config.list_physical_devices("GPU"))


class KerasSFaceClient:
    """SFace in the shape of DeepFace's clients, so that DeepFace can build it, keep it and run it."""

    def __init__(self) -> None:
        """Read the weights from where DeepFace keeps them: below DEEPFACE_HOME."""
        network = read_network(sface_file_of(Path(os.environ["DEEPFACE_HOME"])).read_bytes())
        self.model_name = "SFace"
        self.input_shape = network.input_shape[:2]
        self.compute = compiled(network)
        self.output_shape = self.compute(np.zeros((1, *network.input_shape), np.uint8)).shape[1]

    def forward(self, img: np.ndarray[Any, Any]) -> list[float] | list[list[float]]:
        """Embed as DeepFace asks: BGR in [0, 1], one image or a batch; not normalised."""
        batch = img[None] if img.ndim == len(self.input_shape) + 1 else img
        # Cut off, not rounded: that is what DeepFace's own client does.
        raw = in_batch_sizes(self.compute, (batch * 255).astype(np.uint8))
        listed: list[list[float]] = raw.tolist()
        return listed[0] if len(listed) == 1 else listed


class KerasSFaceEmbedder:
    """SFace on TensorFlow. Safe between threads: a run of the graph keeps no state."""

    def __init__(self, manifest: ModelManifest, client: KerasSFaceClient) -> None:
        """Take the model that DeepFace keeps.

        Raises:
            ModelRefused: it gives other dimensions than the manifest says.
        """
        self._manifest = manifest
        self._compute = client.compute
        require_dimensions(self, manifest)

    @property
    def model(self) -> ModelId:
        """Return name and version from the manifest."""
        return self._manifest.model

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops, uint8 (112, 112, 3) BGR. Returns float32 (n, 128), unit norm, in order."""
        if not crops:
            return np.zeros((0, self._manifest.dimensions), dtype=np.float32)
        return unit_norm(in_batch_sizes(self._compute, np.stack(crops)))


def in_batch_sizes(compute: Compute, batch: Pixels) -> Vector:
    """Compute a batch of any size in pieces of BATCH_SIZES; what fills up the last one is cut off."""
    return np.concatenate([compute(piece)[:count] for piece, count in _pieces(batch)])


def _pieces(batch: Pixels) -> Iterator[tuple[Pixels, int]]:
    for start in range(0, len(batch), BATCH_SIZES[-1]):
        piece = batch[start : start + BATCH_SIZES[-1]]
        count = len(piece)
        size = next(size for size in BATCH_SIZES if size >= count)
        yield np.concatenate([piece, np.zeros((size - count, *piece.shape[1:]), np.uint8)]), count


def compiled(network: Network) -> Compute:
    """Build the Keras model and make one function of it that is compiled as far as its backend can."""
    tensorflow = _tensorflow() if _keras_backend() == "tensorflow" else None
    model = _keras_model(network)
    if tensorflow is None:
        return lambda batch: np.asarray(model.predict_on_batch(batch), dtype=np.float32)
    shape = tensorflow.TensorSpec((None, *network.input_shape), tensorflow.uint8)
    graph = tensorflow.function(lambda batch: model(batch, training=False), input_signature=[shape])
    return lambda batch: np.asarray(graph(batch).numpy(), dtype=np.float32)


def _keras_model(network: Network) -> Any:
    import keras  # type: ignore[import-untyped]

    faces = keras.Input(network.input_shape, dtype="uint8")
    value = keras.ops.flip(keras.ops.cast(faces, "float32"), axis=-1)
    for layer in network.layers:
        for part, weights in _keras_layers(layer, keras.layers):
            value = part(value)
            part.set_weights(weights)
    return keras.Model(faces, value, name="SFace")


def _keras_layers(layer: Layer, layers: Any) -> list[tuple[Any, list[Any]]]:
    match layer:
        case Scaling():
            return [(layers.Rescaling(layer.factor, layer.offset), [])]
        case Convolution():
            size, strides = layer.kernel.shape[0], layer.stride
            if layer.depthwise:
                part = layers.DepthwiseConv2D(size, strides=strides, use_bias=False)
            else:
                part = layers.Conv2D(layer.kernel.shape[-1], size, strides=strides, use_bias=False)
            parts: list[tuple[Any, list[Any]]] = [(part, [layer.kernel])]
            if np.any(layer.padding):  # to add nothing would still copy
                parts.insert(0, (layers.ZeroPadding2D(layer.padding), []))
            return parts
        case BatchNormalisation():
            weights = [layer.gamma, layer.beta, layer.mean, layer.variance]
            return [(layers.BatchNormalization(epsilon=layer.epsilon), weights)]
        case ParametricRelu():
            return [(layers.PReLU(shared_axes=[1, 2]), [layer.slope.reshape(1, 1, -1)])]
        case FlattenedDense():
            return [
                (layers.Flatten(), []),
                (layers.Dense(layer.kernel.shape[1]), [layer.kernel, layer.bias]),
            ]


def _keras_backend() -> str:
    return os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else it tells at length what it was built for
    import tensorflow  # type: ignore[import-untyped]

    config = tensorflow.config
    if config.threading.get_intra_op_parallelism_threads() != 1:
        config.threading.set_intra_op_parallelism_threads(1)
        config.threading.set_inter_op_parallelism_threads(1)
        # Other workers may share the GPU; and TensorFloat-32 would round the weights to 10 bits.
        for gpu in config.list_physical_devices("GPU"):
            config.experimental.set_memory_growth(gpu, True)
        config.experimental.enable_tensor_float_32_execution(False)
    return tensorflow

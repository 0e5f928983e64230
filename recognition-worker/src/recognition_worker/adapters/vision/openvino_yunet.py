"""YuNet on OpenVINO in float32: the same boxes and points as OpenCV's, in less time.

In bfloat16 it would be faster still, and its points up to 5 pixels off (docs/recognition/speed.md).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recognition_worker.adapters.runtimes.openvino_runtime import OneCoreModel, Precision, library
from recognition_worker.adapters.vision.opencv_vision import on_one_core, without_overlaps
from recognition_worker.adapters.vision.yunet import COLUMNS, LEAST_SCORE
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.errors import ModelRefused

# Source: OpenCV, modules/objdetect/src/face_detect.cpp: the strides of the three grids, and the divisor of
# the sides.
_STRIDES = (8, 16, 32)
_DIVISOR = 32
_POINTS = 5
# Its heads, and how many values each gives for a place: class and objectness, box, points.
_HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 2 * _POINTS}
_CHANNELS = 64
# Below, the logistic function is 0 in float32 and its exponential soon too large.
_SURELY_NOT = np.float32(-60.0)
# What a camera of 16:9 needs, for the first look and the close one; others are compiled when they come.
_FIRST_SHAPES = ((96, 160), (128, 128))
# A network for one shape is a third faster than one for all, and takes some 15 MiB. So many shapes have one:
# cameras have few, and who sends images of all shapes shall not fill the memory.
_MOST_SHAPES = 8

Shape = tuple[int, int]


class OpenVinoYuNet:
    """YuNet for images of any size. Safe between threads."""

    def __init__(self, model_file: Path, most_shapes: int = _MOST_SHAPES) -> None:
        """Compile the model for the first shapes.

        Raises:
            ModelRefused: OpenVINO cannot read the file.
        """
        on_one_core()
        self._core: Any = library().Core()
        self._model_file = model_file
        self._most = most_shapes
        self._free: dict[Shape, list[OneCoreModel]] = {}
        self._lock = threading.Lock()
        try:
            self._for_all = self._compiled((-1, -1))
            for shape in _FIRST_SHAPES:
                with self._borrowed(shape):
                    pass
        except RuntimeError as error:
            raise ModelRefused(
                f"OpenVINO cannot load the face detector {model_file.name}: {error}"
            ) from error

    def search(self, pixels: Pixels, look_px: int) -> Vector:  # noqa: ARG002
        """Return the faces, float32 (n, COLUMNS), as `YuNet` says."""
        height, width = pixels.shape[:2]
        shape = _padded(height), _padded(width)
        values = np.zeros((1, 3, *shape), np.float32)
        values[0, :, :height, :width] = pixels.transpose(2, 0, 1)
        with self._borrowed(shape) as network:
            raw = network(values)[0]
            scores = _scores(raw)
            at = np.flatnonzero(scores >= LEAST_SCORE)
            if not len(at):
                return np.zeros((0, COLUMNS), np.float32)
            found = _faces(raw[at], scores[at], _grid(*shape)[at])
        return without_overlaps(found)

    @contextmanager
    def _borrowed(self, shape: Shape) -> Iterator[OneCoreModel]:
        """Lend a network to one thread at a time, since a second one would have to wait for it."""
        with self._lock:
            if shape in self._free or len(self._free) < self._most:
                free = self._free.setdefault(shape, [])
                network = free.pop() if free else self._compiled(shape)
            else:
                network = None
        try:
            yield network or self._for_all
        finally:
            if network is not None:
                with self._lock:
                    self._free[shape].append(network)

    def _compiled(self, shape: Shape) -> OneCoreModel:
        openvino = library()
        model = self._core.read_model(self._model_file)
        model.reshape(openvino.PartialShape([1, 3, *shape]))
        joined = openvino.Model([_joined_heads(model)], model.get_parameters(), "YuNet")
        return OneCoreModel(self._core, joined, Precision.FLOAT32)


def _joined_heads(model: Any) -> Any:
    """Return one output (1, n, 16) for the twelve: the places of all grids, with what _HEADS says of each.

    The four heads of a grid are alike, so they are computed as one: a product of matrices, a convolution per
    channel. It is a third of the operators, each of which costs more than its numbers here.
    """
    ops = library().opset13
    ends = {output.any_name: output.get_node() for output in model.outputs}
    rows = []
    for stride in _STRIDES:
        heads = [_Head.before(ends[f"{name}_{stride}"]) for name in _HEADS]
        inside = _joined(ops, [head.product for head in heads], (-1, _CHANNELS, 1, 1))
        values = ops.convolution(heads[0].features, inside, [1, 1], [0, 0], [0, 0], [1, 1])
        values = ops.add(values, ops.concat([head.product_bias for head in heads], 1))
        around = _joined(ops, [head.window for head in heads], (-1, 1, 1, 3, 3))
        values = ops.group_convolution(values, around, [1, 1], [1, 1], [1, 1], [1, 1])
        values = ops.add(values, ops.concat([head.window_bias for head in heads], 1))
        last = ops.transpose(values, ops.constant([0, 2, 3, 1]))
        rows.append(ops.reshape(last, ops.constant([0, -1, sum(_HEADS.values())]), special_zero=True))
    return ops.concat(rows, 1).output(0)


def _joined(ops: Any, weights: Sequence[Any], shape: Sequence[int]) -> Any:
    return ops.concat([ops.reshape(one, ops.constant(list(shape)), special_zero=False) for one in weights], 0)


@dataclass(frozen=True, slots=True)
class _Head:
    """One head's weights in the graph, and the features that it reads."""

    features: Any
    product: Any
    product_bias: Any
    window: Any
    window_bias: Any

    @classmethod
    def before(cls, end: Any) -> "_Head":
        """Find the head whose result this is: two convolutions with a bias each, then a transposition."""
        node = end
        while node.get_type_name() != "Transpose":
            node = node.input_value(0).get_node()
        window_sum = node.input_value(0).get_node()
        window = window_sum.input_value(0).get_node()
        product_sum = window.input_value(0).get_node()
        product = product_sum.input_value(0).get_node()
        return cls(
            features=product.input_value(0),
            product=product.input_value(1),
            product_bias=product_sum.input_value(1),
            window=window.input_value(1),
            window_bias=window_sum.input_value(1),
        )


def _padded(side: int) -> int:
    return -(-side // _DIVISOR) * _DIVISOR


@lru_cache(maxsize=_MOST_SHAPES)
def _grid(height: int, width: int) -> Vector:
    """Return column, row and stride of each place in the order of the network's scores, (n, 3)."""
    grids = []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel(), np.full(columns.size, stride)], axis=1))
    return np.concatenate(grids).astype(np.float32)


def _scores(raw: Vector) -> Vector:
    """Return the root of the product of class and objectness, each a logistic function of what was found."""
    inverse = 1 + np.exp(-np.maximum(raw[:, :2], _SURELY_NOT))
    scores: Vector = 1 / np.sqrt(inverse[:, 0] * inverse[:, 1])
    return scores


def _faces(raw: Vector, scores: Vector, grid: Vector) -> Vector:
    """Read boxes and points as OpenCV does, off their place and in its stride; the size is a logarithm."""
    places, stride = grid[:, :2], grid[:, 2:]
    found = np.empty((len(raw), COLUMNS), np.float32)
    found[:, 2:4] = np.exp(raw[:, 4:6]) * stride
    found[:, 0:2] = (raw[:, 2:4] + places) * stride - found[:, 2:4] / 2
    points = raw[:, 6:16].reshape(-1, _POINTS, 2) + places[:, None]
    found[:, 4:14] = points.reshape(-1, 2 * _POINTS) * stride
    found[:, 14] = scores
    return found

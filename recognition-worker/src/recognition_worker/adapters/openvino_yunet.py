"""YuNet on OpenVINO in float32: the same boxes and points as OpenCV's, in less time.

In bfloat16 it would be faster still, and its points up to 5 pixels off (docs/recognition/speed.md).
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recognition_worker.adapters.opencv_vision import on_one_core, without_overlaps
from recognition_worker.adapters.openvino_runtime import OneCoreModel, Precision, library
from recognition_worker.adapters.yunet import COLUMNS, LEAST_SCORE
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.errors import ModelRefused

# Source: OpenCV, modules/objdetect/src/face_detect.cpp: the strides of the three grids, and the divisor of
# the sides.
_STRIDES = (8, 16, 32)
_DIVISOR = 32
_POINTS = 5
# What a camera of 16:9 needs, for the first look and the close one; others are compiled when they come.
_FIRST_SHAPES = ((96, 160), (128, 128))
# A network for one shape is a third faster than one for all. So many are kept: cameras have few shapes, and
# who sends images of all shapes shall not fill the memory.
_MOST_NETWORKS = 12

Shape = tuple[int, int]


class OpenVinoYuNet:
    """YuNet for images of any size. Safe between threads."""

    def __init__(self, model_file: Path, most_networks: int = _MOST_NETWORKS) -> None:
        """Compile the model for the first shapes.

        Raises:
            ModelRefused: OpenVINO cannot read the file.
        """
        on_one_core()
        self._core: Any = library().Core()
        self._model_file = model_file
        self._most = most_networks
        self._free: defaultdict[Shape, list[OneCoreModel]] = defaultdict(list)
        self._count = 0
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
            scores, raw = network(values)
            at = np.flatnonzero(scores >= LEAST_SCORE)
            if not len(at):
                return np.zeros((0, COLUMNS), np.float32)
            found = _faces(raw[0, at], scores[0, at, 0], _grid(*shape)[at])
        return without_overlaps(found)

    @contextmanager
    def _borrowed(self, shape: Shape) -> Iterator[OneCoreModel]:
        """Lend a network to one thread at a time, since a second one would have to wait for it."""
        with self._lock:
            free = self._free.get(shape)
            network = free.pop() if free else None
            if network is None and self._count < self._most:
                self._count += 1
                network = self._compiled(shape)
        try:
            yield network or self._for_all
        finally:
            if network is not None:
                with self._lock:
                    self._free[shape].append(network)

    def _compiled(self, shape: Shape) -> OneCoreModel:
        """Compile for a shape; the graph gives a score for each place, and its box and points in a row."""
        openvino = library()
        ops = openvino.opset13
        model = self._core.read_model(self._model_file)
        model.reshape(openvino.PartialShape([1, 3, *shape]))
        of = {output.any_name: output.get_node().input_value(0) for output in model.outputs}

        def joined(name: str) -> Any:
            return ops.concat([of[f"{name}_{stride}"] for stride in _STRIDES], 1)

        scores = ops.sqrt(ops.multiply(joined("cls"), joined("obj")))
        rows = ops.concat([joined("bbox"), joined("kps")], 2)
        whole = openvino.Model([scores.output(0), rows.output(0)], model.get_parameters(), "YuNet")
        return OneCoreModel(self._core, whole, Precision.FLOAT32)


def _padded(side: int) -> int:
    return -(-side // _DIVISOR) * _DIVISOR


@lru_cache(maxsize=_MOST_NETWORKS)
def _grid(height: int, width: int) -> Vector:
    """Return column, row and stride of each place in the order of the network's scores, (n, 3)."""
    grids = []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel(), np.full(columns.size, stride)], axis=1))
    return np.concatenate(grids).astype(np.float32)


def _faces(raw: Vector, scores: Vector, grid: Vector) -> Vector:
    """Read boxes and points as OpenCV does, off their place and in its stride; the size is a logarithm."""
    places, stride = grid[:, :2], grid[:, 2:]
    found = np.empty((len(raw), COLUMNS), np.float32)
    found[:, 2:4] = np.exp(raw[:, 2:4]) * stride
    found[:, 0:2] = (raw[:, 0:2] + places) * stride - found[:, 2:4] / 2
    found[:, 4:14] = (raw[:, 4:14] + np.tile(places, _POINTS)) * stride
    found[:, 14] = scores
    return found

"""A sequential network as plain arrays, so that its file's reader and its runtime need not know each other.

Arrays are float32 and channels come last, as Keras has them: kernels (height, width, in, out), depthwise
kernels (height, width, channels, 1), dense kernels (in, out) over a flattened (height, width, channels).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """value * factor + offset."""

    factor: float
    offset: float


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """No bias. padding: ((top, bottom), (left, right)) zeros."""

    kernel: Weights
    stride: int
    padding: tuple[tuple[int, int], tuple[int, int]]
    depthwise: bool


@dataclass(frozen=True, slots=True, eq=False)
class BatchNormalisation:
    """By the statistics of the training, per channel."""

    gamma: Weights
    beta: Weights
    mean: Weights
    variance: Weights
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class ParametricRelu:
    """slope: below zero, per channel."""

    slope: Weights


@dataclass(frozen=True, slots=True, eq=False)
class FlattenedDense:
    """Flatten, then kernel and bias."""

    kernel: Weights
    bias: Weights


Layer = Scaling | Convolution | BatchNormalisation | ParametricRelu | FlattenedDense


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """input_shape: (height, width, channels), channels in the order RGB, 0 to 255."""

    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]

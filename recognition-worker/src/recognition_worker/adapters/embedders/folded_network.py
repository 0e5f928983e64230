"""A network of convolutions as its runtimes compute it: normalisations folded in, and ready for bytes.

A runtime that computes in bytes has to know the range of the values beforehand. It is usually measured on
photos; here it follows from the network itself, since each normalisation states the mean (beta) and the
standard deviation (gamma) of its values. So nothing has to be measured, kept or shipped, and the same weights
give the same bytes everywhere. Source: Nagel et al., Data-Free Quantization Through Weight Equalization and
Bias Correction, 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recognition_worker.adapters.models.network_layers import (
    BatchNormalisation,
    Convolution,
    FlattenedDense,
    Network,
    ParametricRelu,
    Scaling,
    Weights,
)
from recognition_worker.errors import ModelRefused

# How many standard deviations from its mean a value may lie before it is cut off. 6 and 8 gave larger errors
# on faces (docs/recognition/speed.md).
_SPREADS = 7.0
# With fewer inputs rounding and the way back take what the multiplications save.
_LEAST_INPUTS = 128
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A convolution, then a bias, then a parametric relu. low, high: what comes out, per channel."""

    convolution: Convolution
    bias: Weights
    slope: Weights
    low: Weights
    high: Weights

    @property
    def gains_from_bytes(self) -> bool:
        """Whether it is faster in bytes: a wide product of matrices."""
        kernel = self.convolution.kernel
        return not self.convolution.depthwise and kernel.shape[2] >= _LEAST_INPUTS


@dataclass(frozen=True, slots=True, eq=False)
class FoldedNetwork:
    """scaling: of the pixels, value * factor + offset. dense: over (height, width, channels)."""

    input_shape: tuple[int, int, int]
    scaling: Scaling
    steps: tuple[Step, ...]
    dense: FlattenedDense


def fold(network: Network) -> FoldedNetwork:
    """Fold the normalisations into the weights before or behind them; the function stays the same.

    Raises:
        ModelRefused: the layers are in another order than SFace's.
    """
    scaling = Scaling(1.0, 0.0)
    steps: list[Step] = []
    rest = list(network.layers)
    while True:
        match rest:
            case [Scaling() as first, *rest] if not steps:
                scaling = Scaling(scaling.factor * first.factor, scaling.offset * first.factor + first.offset)
            case [
                Convolution() as convolution,
                BatchNormalisation() as made,
                ParametricRelu() as relu,
                *rest,
            ]:
                steps.append(_step(convolution, made, relu))
            case [BatchNormalisation() as before, FlattenedDense() as dense, BatchNormalisation() as behind]:
                return FoldedNetwork(
                    network.input_shape, scaling, tuple(steps), _dense(before, dense, behind)
                )
            case _:
                there = ", ".join(type(layer).__name__ for layer in rest[:3])
                raise ModelRefused(
                    f"the network has {there} in a row, which SFace does not have; empty the model cache and "
                    "start again"
                )


def _step(convolution: Convolution, normalisation: BatchNormalisation, relu: ParametricRelu) -> Step:
    factor, offset = _linear(normalisation)
    spread = _SPREADS * np.abs(normalisation.gamma)
    ends = [
        np.where(value > 0, value, value * relu.slope)
        for value in (normalisation.beta - spread, normalisation.beta + spread)
    ]
    return Step(
        replace(convolution, kernel=convolution.kernel * _across(convolution, factor)),
        offset,
        relu.slope,
        low=np.minimum(0, np.minimum(*ends)),
        high=np.maximum(0, np.maximum(*ends)),
    )


def _across(convolution: Convolution, factor: Weights) -> Weights:
    """Shape a factor per channel that comes out so that it multiplies the kernel."""
    return factor[:, None] if convolution.depthwise else factor


def _linear(normalisation: BatchNormalisation) -> tuple[Weights, Weights]:
    factor = normalisation.gamma / np.sqrt(normalisation.variance + np.float32(normalisation.epsilon))
    return factor, normalisation.beta - normalisation.mean * factor


def _dense(before: BatchNormalisation, dense: FlattenedDense, behind: BatchNormalisation) -> FlattenedDense:
    factor, offset = _linear(before)
    by_channel = dense.kernel.reshape(-1, len(factor), dense.kernel.shape[1])
    bias = dense.bias + np.einsum("pcn,c->n", by_channel, offset)
    kernel: Weights = (by_channel * factor[:, None]).reshape(dense.kernel.shape)
    factor, offset = _linear(behind)
    return FlattenedDense(kernel * factor, bias * factor + offset)


def equalise(network: FoldedNetwork) -> FoldedNetwork:
    """Scale channels that go into bytes so that all of them use the whole range; the function stays the same.

    A relu with a slope commutes with a positive factor, so what a channel is divided by, the next weights are
    multiplied with. The factor is halfway between evening out the values and evening out those weights.
    Source: Xiao et al., SmoothQuant, 2022, with alpha = 0.5.
    """
    steps = list(network.steps)
    dense = network.dense
    for at, step in enumerate(steps):
        if at + 1 < len(steps):
            following = steps[at + 1]
            if following.gains_from_bytes:
                kernel = following.convolution.kernel
                factor = _evening(step, np.abs(kernel).max(axis=(0, 1, 3)))
                steps[at] = _divided(step, factor)
                scaled = replace(following.convolution, kernel=kernel * factor[:, None])
                steps[at + 1] = replace(following, convolution=scaled)
        else:
            kernel = dense.kernel.reshape(-1, len(step.bias), dense.kernel.shape[1])
            factor = _evening(step, np.abs(kernel).max(axis=(0, 2)))
            steps[at] = _divided(step, factor)
            dense = replace(dense, kernel=(kernel * factor[:, None]).reshape(dense.kernel.shape))
    return replace(network, steps=tuple(steps), dense=dense)


def _evening(step: Step, weights: Weights) -> Weights:
    values = np.maximum(-step.low, step.high)
    factor: Weights = np.sqrt((values + _TINY) / (weights + _TINY), dtype=np.float32)
    return factor


def _divided(step: Step, factor: Weights) -> Step:
    convolution = step.convolution
    return Step(
        replace(convolution, kernel=convolution.kernel / _across(convolution, factor)),
        step.bias / factor,
        step.slope,
        low=step.low / factor,
        high=step.high / factor,
    )


def byte_range(step: Step, levels: int = 256) -> tuple[float, float]:
    """Return the least and the largest of `levels` evenly spaced values for what a step gives; one is 0."""
    low, high = float(step.low.min()), float(step.high.max())
    distance = (high - low) / (levels - 1)
    lowest = round(low / distance)
    return lowest * distance, (lowest + levels - 1) * distance


def weight_ranges(kernel: Weights, axes: Sequence[int]) -> Weights:
    """Return the largest magnitude over `axes`, which stay as ones."""
    largest: Weights = np.maximum(np.abs(kernel).max(axis=tuple(axes), keepdims=True), np.float32(_TINY))
    return largest

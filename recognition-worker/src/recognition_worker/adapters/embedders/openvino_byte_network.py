"""A folded network as an OpenVINO graph whose wide products are computed in bytes.

OpenVINO reads from each pair of FakeQuantize, one of the values and one of the weights, that the product
behind them may be computed in bytes, and with which scales. Everything else stays in floats.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition_worker.adapters.embedders.folded_network import (
    FoldedNetwork,
    Step,
    byte_range,
    equalise,
    fold,
    weight_ranges,
)
from recognition_worker.adapters.models.network_layers import Network, Weights
from recognition_worker.adapters.runtimes.openvino_runtime import library

_VALUE_LEVELS = 256
# One less, so that they are as many below zero as above.
_WEIGHT_LEVELS = 255


def byte_model(network: Network) -> Any:
    """Return the network as openvino.Model: float32 (n, 3, height, width) RGB to (n, d), not of unit norm."""
    return library().Model(*_Graph(equalise(fold(network))).built(), "SFace in bytes")


class _Graph:
    """Builds the graph. Channels come first, as OpenVINO's operators want them."""

    def __init__(self, network: FoldedNetwork) -> None:
        self._network = network
        self._ops: Any = library().opset13
        self._float: Any = library().Type.f32

    def built(self) -> tuple[list[Any], list[Any]]:
        """Return outputs and inputs."""
        ops, network = self._ops, self._network
        height, width, channels = network.input_shape
        pixels = ops.parameter([-1, channels, height, width], self._float, name="data")
        scaling = network.scaling
        values = ops.add(ops.multiply(pixels, self._constant(scaling.factor)), self._constant(scaling.offset))
        before: Step | None = None
        for step in network.steps:
            values = self._step(values, step, before)
            before = step
        if before is not None:
            values = self._in_bytes(values, before)
        rows = ops.reshape(
            ops.transpose(values, ops.constant([0, 2, 3, 1])), ops.constant([0, -1]), special_zero=True
        )
        kernel = self._weights_in_bytes(network.dense.kernel, (0,))
        product = ops.matmul(rows, kernel, transpose_a=False, transpose_b=False)
        return [ops.add(product, self._constant(network.dense.bias[None]))], [pixels]

    def _step(self, values: Any, step: Step, before: Step | None) -> Any:
        ops, convolution = self._ops, step.convolution
        padding = tuple(zip(*convolution.padding, strict=True))
        place = [convolution.stride] * 2, *(list(side) for side in padding), [1, 1]
        if convolution.depthwise:
            # (height, width, channels, 1) to (channels, 1, 1, height, width)
            kernel = convolution.kernel.transpose(2, 3, 0, 1)[:, None]
            values = ops.group_convolution(values, self._constant(kernel), *place)
        else:
            kernel = convolution.kernel.transpose(3, 2, 0, 1)
            if step.gains_from_bytes and before is not None:
                values = self._in_bytes(values, before)
                values = ops.convolution(values, self._weights_in_bytes(kernel, (1, 2, 3)), *place)
            else:
                values = ops.convolution(values, self._constant(kernel), *place)
        biased = ops.add(values, self._constant(step.bias[:, None, None]))
        return ops.prelu(biased, self._constant(step.slope))

    def _in_bytes(self, values: Any, made_by: Step) -> Any:
        ends = [self._constant(end) for end in byte_range(made_by, _VALUE_LEVELS)]
        return self._ops.fake_quantize(values, *ends, *ends, _VALUE_LEVELS)

    def _weights_in_bytes(self, kernel: Weights, axes: tuple[int, ...]) -> Any:
        largest = weight_ranges(kernel, axes)
        ends = self._constant(-largest), self._constant(largest)
        return self._ops.fake_quantize(self._constant(kernel), *ends, *ends, _WEIGHT_LEVELS)

    def _constant(self, value: NDArray[Any] | float) -> Any:
        return self._ops.constant(np.ascontiguousarray(value, np.float32))

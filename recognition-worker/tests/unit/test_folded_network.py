"""Folding and evening out change how a network is computed, and not what."""

from dataclasses import replace

import numpy as np
import pytest

from recognition_worker.adapters.embedders.folded_network import FoldedNetwork, byte_range, equalise, fold
from recognition_worker.adapters.models.network_layers import (
    BatchNormalisation,
    Convolution,
    FlattenedDense,
    Layer,
    Network,
    ParametricRelu,
    Scaling,
)
from recognition_worker.errors import ModelRefused

DRAWN = np.random.default_rng(3)
NO_PADDING = ((0, 0), (0, 0))


def normalisation(channels: int) -> BatchNormalisation:
    gamma, beta, mean = DRAWN.normal(size=(3, channels)).astype(np.float32)
    return BatchNormalisation(gamma, beta, mean, DRAWN.uniform(0.5, 2, channels).astype(np.float32), 1e-3)


def convolution(inputs: int, outputs: int, *, depthwise: bool = False) -> Convolution:
    """Of one pixel, so that a test can compute it."""
    shape = (1, 1, inputs, 1) if depthwise else (1, 1, inputs, outputs)
    return Convolution(DRAWN.normal(size=shape).astype(np.float32), 1, NO_PADDING, depthwise)


def relu(channels: int) -> ParametricRelu:
    return ParametricRelu(DRAWN.uniform(-0.5, 1, channels).astype(np.float32))


def network() -> Network:
    """Two pixels; 160 inputs are enough for bytes, 3 are not."""
    dense = FlattenedDense(DRAWN.normal(size=(2 * 64, 5)).astype(np.float32), np.ones(5, np.float32))
    layers: list[Layer] = [Scaling(1.0, -127.5), Scaling(0.0078125, 0.0)]
    layers += [convolution(3, 160), normalisation(160), relu(160)]
    layers += [convolution(160, 160, depthwise=True), normalisation(160), relu(160)]
    layers += [convolution(160, 64), normalisation(64), relu(64)]
    layers += [normalisation(64), dense, normalisation(5)]
    return Network((1, 2, 3), tuple(layers))


def normalised(values: np.ndarray, layer: BatchNormalisation) -> np.ndarray:
    return (values - layer.mean) / np.sqrt(layer.variance + layer.epsilon) * layer.gamma + layer.beta


def product(values: np.ndarray, layer: Convolution) -> np.ndarray:
    kernel = layer.kernel[0, 0]
    return values * kernel[:, 0] if layer.depthwise else values @ kernel


def plain(whole: Network, pixels: np.ndarray) -> np.ndarray:
    values = pixels
    for layer in whole.layers:
        match layer:
            case Scaling():
                values = values * layer.factor + layer.offset
            case Convolution():
                values = product(values, layer)
            case BatchNormalisation():
                values = normalised(values, layer)
            case ParametricRelu():
                values = np.where(values > 0, values, values * layer.slope)
            case FlattenedDense():
                values = values.reshape(len(pixels), -1) @ layer.kernel + layer.bias
    return values


def steps(folded: FoldedNetwork, pixels: np.ndarray) -> list[np.ndarray]:
    """What comes out of each step, then the end."""
    values = pixels * folded.scaling.factor + folded.scaling.offset
    made = []
    for step in folded.steps:
        values = product(values, step.convolution) + step.bias
        values = np.where(values > 0, values, values * step.slope)
        made.append(values)
    return [*made, values.reshape(len(pixels), -1) @ folded.dense.kernel + folded.dense.bias]


PIXELS = DRAWN.uniform(0, 255, (50, 1, 2, 3))


def test_folding_changes_nothing() -> None:
    whole = network()
    np.testing.assert_allclose(steps(fold(whole), PIXELS)[-1], plain(whole, PIXELS), rtol=1e-3, atol=1e-3)


def test_evening_out_changes_nothing_at_the_end() -> None:
    folded = fold(network())
    before, after = steps(folded, PIXELS), steps(equalise(folded), PIXELS)
    np.testing.assert_allclose(after[-1], before[-1], rtol=1e-3, atol=1e-3)
    # The first step does not feed bytes; the other two do.
    np.testing.assert_array_equal(after[0], before[0])
    assert abs(after[1] - before[1]).max() > 0.1


def test_channels_that_feed_bytes_become_more_alike() -> None:
    folded = fold(network())

    def unevenness(whole: FoldedNetwork) -> float:
        largest = np.maximum(-whole.steps[1].low, whole.steps[1].high)
        return float(largest.max() / np.median(largest))

    assert unevenness(equalise(folded)) < unevenness(folded)


def test_a_range_is_seven_deviations_to_either_side_and_through_the_relu() -> None:
    whole = network()
    _, _, _, made, slope, *_ = whole.layers
    assert isinstance(made, BatchNormalisation)
    assert isinstance(slope, ParametricRelu)
    first = fold(whole).steps[0]
    for sign in (-1, 1):
        end = made.beta + sign * 7 * abs(made.gamma)
        end = np.where(end > 0, end, end * slope.slope)
        assert (first.low <= end + 1e-4).all()
        assert (end - 1e-4 <= first.high).all()
    assert (first.low <= 0).all()
    assert (first.high >= 0).all()


@pytest.mark.parametrize("levels", [256, 16])
def test_the_levels_of_bytes_reach_both_ends_and_hold_zero(levels: int) -> None:
    for step in fold(network()).steps:
        low, high = byte_range(step, levels)
        distance = (high - low) / (levels - 1)
        assert abs(low - step.low.min()) <= distance
        assert abs(high - step.high.max()) <= distance
        assert low / distance == pytest.approx(round(low / distance), abs=1e-9)


def test_only_wide_products_gain_from_bytes() -> None:
    assert [step.gains_from_bytes for step in fold(network()).steps] == [False, False, True]


@pytest.mark.parametrize("left_out", range(2, 14))
def test_layers_in_another_order_are_refused(left_out: int) -> None:
    whole = network()
    layers = whole.layers[:left_out] + whole.layers[left_out + 1 :]
    with pytest.raises(ModelRefused, match="in a row, which SFace does not have"):
        fold(replace(whole, layers=layers))

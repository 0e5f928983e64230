import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.alignment import LANDMARKS_112, DegenerateLandmarks, Similarity, fit_similarity


@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-179, 179),
    shift_x=st.floats(-2000, 2000),
    shift_y=st.floats(-2000, 2000),
)
def test_a_known_transform_is_recovered(scale: float, angle: float, shift_x: float, shift_y: float) -> None:
    turn = math.radians(angle)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    landmarks = scale * LANDMARKS_112 @ rotation.T + [shift_x, shift_y]

    found = fit_similarity(landmarks)

    np.testing.assert_allclose(found.apply(landmarks), LANDMARKS_112, atol=1e-6)
    assert found.scale == pytest.approx(1 / scale)
    assert found.rotation_degrees == pytest.approx(-angle, abs=1e-6)


def test_the_fit_is_the_least_squares_optimum() -> None:
    random = np.random.default_rng(7)
    landmarks = LANDMARKS_112 * 2.5 + random.normal(0, 6, LANDMARKS_112.shape)
    found = fit_similarity(landmarks)
    best = ((found.apply(landmarks) - LANDMARKS_112) ** 2).sum()
    # The general solution: minimise over (a, b, tx, ty) with numpy.
    x, y = landmarks.T
    ones, zeros = np.ones(5), np.zeros(5)
    system = np.vstack([np.column_stack([x, -y, ones, zeros]), np.column_stack([y, x, zeros, ones])])
    _, residual, _, _ = np.linalg.lstsq(system, LANDMARKS_112.T.ravel(), rcond=None)
    assert best == pytest.approx(float(residual[0]))


def test_mirrored_landmarks_never_give_a_reflection() -> None:
    found = fit_similarity(LANDMARKS_112 * [-1, 1])
    assert np.linalg.det(found.matrix[:, :2]) > 0


@pytest.mark.parametrize(
    "landmarks", [np.ones((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2))], ids=["point", "nan", "four"]
)
def test_landmarks_that_fit_nothing_are_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(DegenerateLandmarks):
        fit_similarity(landmarks)


@given(st.floats(-180, 180), st.floats(0.1, 10))
def test_a_patch_turns_about_its_middle_and_leads_back(degrees: float, scale: float) -> None:
    patch = Similarity.around((70.0, 40.0), size=101, scale=scale, degrees=degrees)
    assert patch.apply(np.array([[70.0, 40.0]])) == pytest.approx(np.array([[50.0, 50.0]]), abs=1e-6)
    assert patch.scale == pytest.approx(scale)
    points = np.array([[0.0, 0.0], [12.5, 300.0]])
    assert patch.inverse().apply(patch.apply(points)) == pytest.approx(points, abs=1e-6)

import numpy as np

from recognition_worker.domain.alignment import LANDMARKS_112
from recognition_worker.domain.landmark_layout import ARCFACE_112, LandmarkLayout


def test_the_default_is_the_published_template() -> None:
    np.testing.assert_array_equal(ARCFACE_112.points, LANDMARKS_112)


def test_another_size_scales_and_a_zoom_shrinks_around_the_centre() -> None:
    twice = LandmarkLayout(size=224)
    np.testing.assert_allclose(twice.points, 2 * LANDMARKS_112)
    smaller = LandmarkLayout(zoom=0.5)
    np.testing.assert_allclose(smaller.points - 56, (LANDMARKS_112 - 56) / 2)


def test_equal_templates_share_a_crop() -> None:
    assert {LandmarkLayout("dlib", 150): 1}[LandmarkLayout("dlib", 150)] == 1
    assert LandmarkLayout("dlib", 150) != LandmarkLayout("arcface", 150)

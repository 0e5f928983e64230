import numpy as np

from recognition_worker.domain.alignment import TEMPLATE_112
from recognition_worker.domain.input_template import ARCFACE_112, InputTemplate


def test_the_default_is_the_published_template() -> None:
    np.testing.assert_array_equal(ARCFACE_112.points, TEMPLATE_112)


def test_another_size_scales_and_a_zoom_shrinks_around_the_centre() -> None:
    twice = InputTemplate(size=224)
    np.testing.assert_allclose(twice.points, 2 * TEMPLATE_112)
    smaller = InputTemplate(zoom=0.5)
    np.testing.assert_allclose(smaller.points - 56, (TEMPLATE_112 - 56) / 2)


def test_equal_templates_share_a_crop() -> None:
    assert {InputTemplate("dlib", 150): 1}[InputTemplate("dlib", 150)] == 1
    assert InputTemplate("dlib", 150) != InputTemplate("arcface", 150)

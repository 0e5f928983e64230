from xml.etree import ElementTree

import numpy as np

from recognition_worker.evaluation.adapters.evaluation_report import det_svg, histogram_svg
from recognition_worker.evaluation.domain.error_rates import NO_SCORE, Searches, det_points


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - what the function under test has made


def test_the_det_curve_has_a_line_for_each_pipeline() -> None:
    numbers = np.arange(3)
    searches = Searches(np.array([0.9, 0.4, NO_SCORE]), numbers, np.array([0.1, 0.5, 0.2]), numbers)
    drawn = parsed(det_svg([("a < b", det_points(searches)), ("c", det_points(searches))]))
    assert len(drawn.findall("polyline")) == 2
    assert "a < b" in [text.text for text in drawn.findall("text")]


def test_a_curve_without_errors_can_be_drawn() -> None:
    one = np.zeros(1, np.intp)
    points = det_points(Searches(np.array([0.9]), one, np.array([NO_SCORE]), one))
    assert parsed(det_svg([("perfect", points)])).findall("polyline")


def test_the_histogram_has_all_scores_and_the_threshold() -> None:
    drawn = parsed(histogram_svg(np.array([0.7, 0.8]), np.array([0.1, 0.2]), 0.45))
    assert sum(float(bar.attrib["height"]) > 0 for bar in drawn.findall("rect")) == 4
    assert "0.450" in [text.text for text in drawn.findall("text")]
    assert parsed(histogram_svg(np.zeros(0), np.zeros(0), 0.4)) is not None

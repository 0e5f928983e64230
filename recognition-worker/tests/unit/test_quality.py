from dataclasses import replace

import numpy as np
import pytest

from recognition_worker.domain.alignment import LANDMARKS_112, fit_similarity
from recognition_worker.domain.face import Box, DetectedFace
from recognition_worker.domain.quality import (
    ENROLMENT_LIMITS,
    MATCH_LIMITS,
    QualityMeasures,
    judge,
    laplacian_variance,
    measure,
)

GOOD = QualityMeasures(
    detection_score=0.93,
    face_size_px=150,
    sharpness=150,
    turn=0.0,
    nod=0.55,
    roll_degrees=0.0,
    brightness=120,
    clipped=0.02,
    eye_contrast=0.25,
    mouth_contrast=0.25,
)


def test_a_good_face_has_no_reasons() -> None:
    assert judge(GOOD, ENROLMENT_LIMITS) == ()
    assert judge(GOOD, MATCH_LIMITS) == ()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"face_size_px": 20.0}, "small"),
        ({"detection_score": 0.3}, "visible"),
        ({"sharpness": 3.0}, "blurred"),
        ({"turn": -0.9}, "side"),
        ({"nod": 0.99}, "raised or lowered"),
        ({"roll_degrees": 80.0}, "tilted"),
        ({"brightness": 10.0}, "too dark"),
        ({"brightness": 250.0}, "too bright"),
        ({"clipped": 0.9}, "black or white"),
    ],
)
def test_each_fault_has_its_reason(changed: dict[str, float], word: str) -> None:
    for limits in (MATCH_LIMITS, ENROLMENT_LIMITS):
        (reason,) = judge(replace(GOOD, **changed), limits)
        assert word in reason
        assert ":" in reason  # what to do follows


@pytest.mark.parametrize(
    ("changed", "word"), [({"eye_contrast": 0.05}, "eyes"), ({"mouth_contrast": 0.05}, "mouth")]
)
def test_a_covered_face_is_no_template_but_may_be_compared(changed: dict[str, float], word: str) -> None:
    measures = replace(GOOD, **changed)
    (reason,) = judge(measures, ENROLMENT_LIMITS)
    assert reason.startswith(f"the {word}")
    assert ":" in reason
    assert judge(measures, MATCH_LIMITS) == ()


def test_contrast_is_measured_where_eyes_and_mouth_are() -> None:
    landmarks = LANDMARKS_112.copy()
    board = (np.indices((112, 112)).sum(axis=0) % 2 * 80 + 80).astype(np.uint8)
    covered = {"eye_contrast": (40, 65), "mouth_contrast": (80, 105)}
    for hidden, (top, bottom) in covered.items():
        crop = np.repeat(board[..., None], 3, axis=2)
        crop[top:bottom] = 90
        found = measure(face(landmarks), fit_similarity(landmarks), crop)
        for name in covered:
            contrast = getattr(found, name)
            assert contrast == pytest.approx(0.0 if name == hidden else 0.33, abs=0.04)


@pytest.mark.parametrize(
    "changed", [{"face_size_px": 50.0}, {"sharpness": 20.0}, {"turn": 0.5}, {"roll_degrees": 30.0}]
)
def test_enrolment_is_stricter_than_matching(changed: dict[str, float]) -> None:
    measures = replace(GOOD, **changed)
    assert judge(measures, MATCH_LIMITS) == ()
    assert judge(measures, ENROLMENT_LIMITS)


def face(landmarks: np.ndarray) -> DetectedFace:
    return DetectedFace(Box(10, 20, 80, 100), landmarks.astype(np.float32), 0.9)


def test_a_frontal_upright_face_measures_as_such() -> None:
    landmarks = LANDMARKS_112 * 3 + 40
    crop = np.full((112, 112, 3), 100, np.uint8)
    found = measure(face(landmarks), fit_similarity(landmarks), crop)
    assert found.turn == pytest.approx(0.0, abs=0.02)
    assert found.nod == pytest.approx(0.5, abs=0.05)
    assert found.roll_degrees == pytest.approx(0.0, abs=1e-6)
    assert found.brightness == pytest.approx(100.0, abs=0.01)
    assert found.face_size_px == 80
    assert found.clipped == 0
    assert found.sharpness == pytest.approx(0.0, abs=1e-3)


def test_a_turned_nose_shows_as_turn_and_a_tilted_head_as_roll() -> None:
    turned = LANDMARKS_112.copy()
    turned[2, 0] += 25
    crop = np.zeros((112, 112, 3), np.uint8)
    assert measure(face(turned), fit_similarity(turned), crop).turn > 0.4
    tilt = np.radians(20)
    rotation = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    tilted = LANDMARKS_112 @ rotation.T
    assert measure(face(tilted), fit_similarity(tilted), crop).roll_degrees == pytest.approx(-20)


def test_blur_lowers_the_laplacian_variance() -> None:
    sharp = np.random.default_rng(1).uniform(0, 255, (112, 112)).astype(np.float32)
    blurred = (sharp[:-1, :-1] + sharp[1:, :-1] + sharp[:-1, 1:] + sharp[1:, 1:]) / 4
    assert laplacian_variance(blurred) < laplacian_variance(sharp) / 4
    # A single bright pixel, by hand: one -4, four 1, the rest 0.
    dot = np.zeros((7, 7), np.float32)
    dot[3, 3] = 1
    assert laplacian_variance(dot) == pytest.approx(20 / 25)

"""A detector that sees half of a tilt, as YuNet does: 30 degrees are reported as 15."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.alignment import LANDMARKS_112, Similarity, fit_similarity
from recognition_worker.domain.face import Box, DetectedFace, Pixels, Vector
from recognition_worker.recognition.straighten_faces import FaceStraightener

IMAGE: Pixels = np.zeros((480, 640, 3), np.uint8)
CENTRE = np.array([300.0, 200.0])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turn points about their middle, clockwise on screen."""
    turn = np.radians(degrees)
    middle = points.mean(axis=0)
    return (points - middle) @ np.array(
        [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    ) + middle


def landmarks(tilt: float) -> np.ndarray:
    points = LANDMARKS_112 - LANDMARKS_112.mean(axis=0) + CENTRE
    return turned(points, -tilt)


@dataclass
class HalfSightedDetector:
    """Knows where the landmarks really are, and reports half of their tilt; less sure the more tilted."""

    tilt: float
    share: float = 0.5
    sure: float = 0.95
    looks: int = 0
    view: Similarity | None = None
    blind_to_patches: bool = False

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        self.looks += 1
        truth = landmarks(self.tilt)
        if pixels.shape[0] != IMAGE.shape[0]:
            if self.blind_to_patches or self.view is None:
                return ()
            truth = self.view.apply(truth)
        tilt = fit_similarity(truth.astype(np.float32)).rotation_degrees
        seen = turned(truth, tilt * (1 - self.share))
        left, top = seen.min(axis=0) - 20
        width, height = seen.max(axis=0) + 20 - (left, top)
        confidence = self.sure - abs(tilt) / 1000
        return (DetectedFace(Box(left, top, width, height), seen.astype(np.float32), confidence),)

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        return face


@dataclass
class RememberingCropper:
    detector: HalfSightedDetector
    turns: list[float] = field(default_factory=list)

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        self.detector.view = transform
        self.turns.append(transform.rotation_degrees)
        return np.zeros((size, size, 3), np.uint8)


def found(detector: HalfSightedDetector) -> tuple[Vector, RememberingCropper]:
    cropper = RememberingCropper(detector)
    (face,) = detector.detect(IMAGE)
    return FaceStraightener(detector, cropper).straighten(IMAGE, face).landmarks, cropper


def off_degrees(seen: Vector, tilt: float) -> float:
    return abs(fit_similarity(seen).rotation_degrees - tilt)


@given(st.floats(-60, 60))
def test_landmarks_end_up_as_tilted_as_the_head(tilt: float) -> None:
    seen, _ = found(HalfSightedDetector(tilt))
    assert off_degrees(seen, tilt) <= max(5.0, abs(tilt) / 8)
    assert np.allclose(seen.mean(axis=0), landmarks(tilt).mean(axis=0), atol=0.5)


def test_an_upright_face_is_looked_at_once() -> None:
    detector = HalfSightedDetector(tilt=6.0)  # 3 degrees are seen
    seen, cropper = found(detector)
    assert (detector.looks, cropper.turns) == (1, [])
    assert off_degrees(seen, 3.0) < 0.1


def test_looking_ends_after_three_times() -> None:
    detector = HalfSightedDetector(tilt=80.0, share=0.2)
    found(detector)
    assert detector.looks == 1 + 2 + 3  # once upright, twice in doubt, three times to settle


def test_a_doubtful_face_is_looked_at_turned_to_either_side() -> None:
    """A detector that takes a tilted head for an upright one, and only its doubt gives that away."""
    detector = HalfSightedDetector(tilt=35.0, share=0.1, sure=0.89)
    _, cropper = found(detector)
    assert cropper.turns[:2] == pytest.approx([-30.0, 30.0])


def test_a_face_that_is_not_seen_again_stays_as_it_was() -> None:
    detector = HalfSightedDetector(tilt=40.0, blind_to_patches=True)
    seen, _ = found(detector)
    assert off_degrees(seen, 20.0) < 0.1


def test_landmarks_in_one_point_are_handed_on() -> None:
    cropper = RememberingCropper(detector := HalfSightedDetector(0.0))
    pointlike = DetectedFace(Box(0, 0, 9, 9), np.zeros((5, 2), np.float32), 0.95)
    assert FaceStraightener(detector, cropper).straighten(IMAGE, pointlike) is pointlike

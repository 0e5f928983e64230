"""How many pixels a face is taken from."""

import numpy as np
import pytest

from recognition_worker.domain.alignment import LANDMARKS_112, Similarity
from recognition_worker.domain.face import Box, DecodedImage, DetectedFace, Pixels
from recognition_worker.domain.quality import NO_LIMITS
from recognition_worker.recognition.recognise import FaceAnalyser, FaceProbe

WIDTH, HEIGHT = 1280, 720


class OneFace:
    """A decoder, detector and cropper of one face, `height` pixels high in the full image."""

    def __init__(self, height: float, can_be_coarse: bool = True) -> None:
        self._height = height
        self._can_be_coarse = can_be_coarse
        self.decoded: list[int] = []
        self.refined_in: list[tuple[int, ...]] = []
        self.cropped_from: list[tuple[int, ...]] = []
        self.transform: Similarity | None = None

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        by = 2 if coarse and self._can_be_coarse else 1
        self.decoded.append(by)
        return DecodedImage(np.zeros((HEIGHT // by, WIDTH // by, 3), np.uint8), by, is_coarse=by > 1)

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        size = self._height * pixels.shape[0] / HEIGHT
        points = LANDMARKS_112 / 112 * size + [pixels.shape[1] / 4, pixels.shape[0] / 4]
        box = Box(pixels.shape[1] / 4, pixels.shape[0] / 4, size, size)
        return (DetectedFace(box, points.astype(np.float32), 0.9, seen_px=30.0),)

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        self.refined_in.append(pixels.shape)
        return face

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        self.cropped_from.append(pixels.shape)
        self.transform = transform
        return np.zeros((size, size, 3), np.uint8)


def analysed(world: OneFace, *, thorough: bool = False) -> FaceProbe:
    ticks = iter(range(1000))
    analyser = FaceAnalyser(world, world, world, lambda: float(next(ticks)))
    probe = analyser.analyse(b"", NO_LIMITS, thorough=thorough)
    assert isinstance(probe, FaceProbe)
    return probe


def test_a_near_face_is_cut_from_half_the_pixels() -> None:
    world = OneFace(240)
    probe = analysed(world)
    assert (world.decoded, world.cropped_from) == ([2], [(360, 640, 3)])
    assert probe.face.face_size_px == pytest.approx(240)
    assert (probe.face.box.left, probe.face.box.width) == (320, 240)


def test_a_far_face_is_cut_from_all_pixels_at_the_same_place() -> None:
    far, whole = OneFace(120), OneFace(120, can_be_coarse=False)
    probe, expected = analysed(far), analysed(whole)
    assert (far.decoded, whole.decoded) == ([2, 1], [1])
    assert far.cropped_from == far.refined_in == [(720, 1280, 3)]
    assert far.transform is not None
    assert whole.transform is not None
    # Half a pixel: where the middle of a pixel lies in twice as many.
    np.testing.assert_allclose(far.transform.matrix, whole.transform.matrix, atol=0.5)
    assert probe.face.face_size_px == pytest.approx(expected.face.face_size_px)
    assert set(probe.timings_ms) == {"decode", "detect", "align", "quality"}


def test_an_enrolment_is_cut_from_all_pixels_at_once() -> None:
    world = OneFace(240)
    analysed(world, thorough=True)
    assert (world.decoded, world.cropped_from) == ([1], [(720, 1280, 3)])

"""At which sizes an image is searched for faces."""

import numpy as np
import pytest

from recognition_worker.adapters.vision.yunet import COLUMNS
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.face import Pixels, Vector

SCENE = np.zeros((360, 640, 3), np.uint8)
SEEN_FROM_PX = 12.0


class OneFace:
    """A YuNet that sees one face, `height` pixels high in 640, unless it is too small in the copy."""

    def __init__(self, height: float) -> None:
        self._height = height
        self.looks: list[int] = []

    def search(self, pixels: Pixels, look_px: int) -> Vector:
        self.looks.append(look_px)
        height = self._height * pixels.shape[1] / SCENE.shape[1]
        found = np.zeros((1, COLUMNS), np.float32)
        found[0, 2:4], found[0, 14] = height, 0.9
        return found[: height >= SEEN_FROM_PX]


@pytest.mark.parametrize(
    ("height", "looks"),
    [
        (120, [160]),  # 30 pixels in the first look
        (80, [160, 224]),  # 20, then 28
        (60, [160, 320]),  # 15; in 224 it would be 21
        (40, [160, 320, 640]),  # not seen, then 20
        (20, [160, 320, 640]),
        (0, [160, 320, 640]),
    ],
)
def test_the_next_look_shows_the_face_large_enough(height: float, looks: list[int]) -> None:
    network = OneFace(height)
    faces = YuNetDetector(network).detect(SCENE)
    assert network.looks == looks
    assert len(faces) == (height > 0)


def test_a_thorough_look_is_the_largest() -> None:
    network = OneFace(120)
    YuNetDetector(network).detect(SCENE, thorough=True)
    assert network.looks == [640]


def test_no_look_enlarges_the_image() -> None:
    network = OneFace(0)
    YuNetDetector(network).detect(SCENE[:100, :150])
    assert network.looks == [160]

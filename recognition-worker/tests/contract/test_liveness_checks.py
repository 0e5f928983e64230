"""What the pipeline relies on, asked of every check that a setting names, and of a double that suspects."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recognition_worker.adapters.vision.eyes import LIVENESS_CHECKS
from recognition_worker.domain.alignment import LANDMARKS_112
from recognition_worker.domain.face import Box, DetectedFace, Pixels
from recognition_worker.recognition.ports import LivenessCheck


class Flat:
    """Suspects faces without contrast."""

    def suspicions(self, pixels: Pixels, face: DetectedFace) -> tuple[str, ...]:
        box = face.box
        left, top = max(0, int(box.left)), max(0, int(box.top))
        patch = pixels[top : int(box.top + box.height), left : int(box.left + box.width)]
        return () if patch.size and patch.std() > 5 else ("the face is flat: come yourself",)


CHECKS: list[Callable[[], LivenessCheck]] = [*LIVENESS_CHECKS.values(), Flat]


def face_at(left: float, top: float, size: float) -> DetectedFace:
    landmarks = (LANDMARKS_112 / 112 * size + [left, top]).astype(np.float32)
    return DetectedFace(Box(left, top, size, size), landmarks, 0.9)


def scenes() -> list[tuple[Pixels, DetectedFace]]:
    noise = np.random.default_rng(3).integers(0, 255, (480, 640, 3), np.uint8)
    grey = np.full((480, 640, 3), 128, np.uint8)
    for pixels in (noise, grey):
        pixels.flags.writeable = False
    boxes = (face_at(100, 100, 200), face_at(-60, -50, 120), face_at(600, 440, 90), face_at(5, 5, 32))
    return [(pixels, face) for pixels in (noise, grey) for face in boxes]


@pytest.mark.parametrize("make", CHECKS)
def test_it_answers_in_sentences_or_not_at_all(make: Callable[[], LivenessCheck]) -> None:
    for pixels, face in scenes():
        suspicions = make().suspicions(pixels, face)
        assert isinstance(suspicions, tuple)
        assert all(isinstance(each, str) and each.strip() for each in suspicions)


@pytest.mark.parametrize("make", CHECKS)
def test_the_same_face_gets_the_same_answer_in_any_order_and_from_any_thread(
    make: Callable[[], LivenessCheck],
) -> None:
    check = make()
    alone = [check.suspicions(*scene) for scene in scenes()]
    assert [check.suspicions(*scene) for scene in reversed(scenes())] == alone[::-1]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(lambda scene: check.suspicions(*scene), scenes())) == alone


def test_off_suspects_nobody_and_the_double_somebody() -> None:
    off, double = CHECKS[0](), Flat()
    assert {off.suspicions(*scene) for scene in scenes()} == {()}
    assert len({double.suspicions(*scene) for scene in scenes()}) == 2

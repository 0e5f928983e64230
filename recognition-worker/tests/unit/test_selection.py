import numpy as np

from recognition_worker.domain.face import Box, DetectedFace
from recognition_worker.domain.selection import by_prominence, rival_count


def face(left: float, top: float, size: float, confidence: float = 0.9) -> DetectedFace:
    return DetectedFace(Box(left, top, size, size), np.zeros((5, 2), np.float32), confidence)


def test_the_largest_face_wins() -> None:
    near, far = face(100, 100, 200), face(300, 220, 60)
    assert by_prominence([far, near], 640, 480) == [near, far]
    assert rival_count([far, near], 640, 480) == 0


def test_of_two_alike_the_central_one_wins_and_the_other_is_a_rival() -> None:
    central, aside = face(270, 190, 100), face(0, 0, 105)
    assert by_prominence([aside, central], 640, 480)[0] is central
    assert rival_count([aside, central], 640, 480) == 1


def test_a_doubtful_face_loses_to_a_clear_one_that_is_a_little_smaller() -> None:
    clear, doubtful = face(270, 190, 100, 0.93), face(260, 180, 120, 0.64)
    assert by_prominence([doubtful, clear], 640, 480)[0] is clear


def test_one_face_has_no_rivals() -> None:
    assert rival_count([face(0, 0, 10)], 640, 480) == 0
    assert rival_count([], 640, 480) == 0

"""Says by how much an image must be turned so that its face stands up: for cameras that hang on head or side.

A detector finds most faces that stand on their head, and is less sure of them: of what it sees in a face
turned by a quarter or a half it is as sure as 0.90 in 1 of 100 photos, of an upright face in 99. So where it
is not, or finds nobody, it looks at the image turned by 90, 180 and 270 degrees as well, and the surest look
says which way is up. Clear and upright faces, nearly all, cost nothing more. Measured:
docs/recognition/accuracy.md.
"""

from collections.abc import Callable

from recognition_worker.domain import selection
from recognition_worker.domain.face import Pixels
from recognition_worker.domain.turned_images import QUARTER_TURNS
from recognition_worker.recognition.ports import FaceDetector
from recognition_worker.recognition.straighten_faces import SURE, SURER_BY

Turn = Callable[[Pixels, int], Pixels]
"""Turns an image clockwise, by 90, 180 or 270 degrees."""

# What is seen in an image without a face, turned or not, the detector is less sure of.
_LEAST = 0.8


class TurnedLooks:
    """Looks at an image turned. Safe between threads when its ports are.

    detector: may leave out the looks for far faces, since it is asked three times.
    """

    def __init__(self, detector: FaceDetector, turn: Turn) -> None:
        self._detector = detector
        self._turn = turn

    def degrees(self, pixels: Pixels, confidence: float) -> int:
        """Return by how much the image must be turned clockwise; 0 when it is upright.

        confidence: of the face in the image as it is, before it was straightened; 0 without a face.
        """
        if confidence >= SURE:
            return 0
        of_turn = {degrees: self._confidence(self._turn(pixels, degrees)) for degrees in QUARTER_TURNS[1:]}
        surest = max(of_turn, key=of_turn.__getitem__)
        return surest if of_turn[surest] >= max(_LEAST, confidence + SURER_BY) else 0

    def _confidence(self, pixels: Pixels) -> float:
        faces = self._detector.detect(pixels)
        if not faces:
            return 0.0
        height, width = pixels.shape[:2]
        return self._detector.refine(pixels, selection.by_prominence(faces, width, height)[0]).confidence

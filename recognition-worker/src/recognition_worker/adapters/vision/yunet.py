"""YuNet, a network that finds faces, as its callers see it: pixels in, faces out."""

from typing import Protocol

from recognition_worker.domain.face import Pixels, Vector

LEAST_SCORE = 0.6
# Of two boxes that overlap by more, the surer one is kept, and so many are looked at.
OVERLAP = 0.3
MOST_CANDIDATES = 200
# x, y, width, height, five points, score.
COLUMNS = 15


class YuNet(Protocol):
    """The network with its boxes read. Safe between threads."""

    def search(self, pixels: Pixels, look_px: int) -> Vector:
        """Return the faces, float32 (n, 15): x, y, width, height, five points, score, in pixels.

        The points are right eye, left eye, nose, right and left mouth corner of the person: left of the image
        first. look_px: what the longer side of such images is, at most.
        """
        ...

"""Finds faces with YuNet: first on a small copy of the image, then by a close look at one face.

What computes the network is another file's matter; all of them give the same faces.
"""

import math
from collections.abc import Sequence

import numpy as np

from recognition_worker.adapters.vision.opencv_vision import resized, square
from recognition_worker.adapters.vision.yunet import YuNet
from recognition_worker.domain.face import Box, DetectedFace, Pixels, Vector

# How long the longer side is made of what is searched. A look counts when its nearest face is so high that
# YuNet misses hardly any of its size (docs/recognition/speed.md); else one is taken that shows it so high.
LOOKS_PX = (160, 224, 320, 640)
# Where nobody was found it looks turned as well, three times: for faces near enough to check in.
TURNED_LOOKS_PX = LOOKS_PX[:-1]
_SURE_FROM_PX = 24.0
# Where nobody was found, most faces are lower than this, if there are any.
_FOUND_FROM_PX = 16.0
# A face that was seen smaller than this is looked at again, cut out and scaled to _CLOSE_FACE_PX: below, the
# landmarks are too coarse, and the score falls.
_EXACT_FROM_PX = 56.0
_CLOSE_PX = 128
_CLOSE_FACE_PX = 64.0


class YuNetDetector:
    """Finds faces on small copies of the image. Safe between threads."""

    def __init__(self, network: YuNet, looks: Sequence[int] = LOOKS_PX) -> None:
        self._network = network
        self._looks = tuple(looks)

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        """Return the faces, largest first, in pixels of this image.

        The first look is at the smallest size. When it finds nobody who is near enough to be sure that nobody
        nearer was missed, the next is at the first size that should. A thorough one is at the largest.
        """
        faces: tuple[DetectedFace, ...] = ()
        least_px = 0.0
        for look in self._looks[-1:] if thorough else self._looks:
            if look < min(least_px, self._looks[-1]):
                continue
            faces = self._look(pixels, look) or faces
            seen_px = faces[0].seen_px if faces else _FOUND_FROM_PX
            if max(pixels.shape[:2]) <= look or (faces and seen_px >= _SURE_FROM_PX):
                break
            least_px = look * _SURE_FROM_PX / seen_px
        return faces

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        """Return the face with exact landmarks: itself if seen large enough, else from a close look."""
        if face.seen_px >= _EXACT_FROM_PX:
            return face
        side = max(2, round(max(face.box.width, face.box.height) * _CLOSE_PX / _CLOSE_FACE_PX))
        left, top = (round(middle - side / 2) for middle in face.box.centre)
        patch = square(pixels, left, top, side)
        found = self._network.search(resized(patch, _CLOSE_PX, _CLOSE_PX), _CLOSE_PX)
        if not len(found):
            return face
        back = np.full(2, side / _CLOSE_PX, dtype=np.float32)
        seen = [_face(row, back, np.array([left, top], dtype=np.float32)) for row in found]
        return min(seen, key=lambda other: math.dist(other.box.centre, face.box.centre))

    def _look(self, pixels: Pixels, longest_px: int) -> tuple[DetectedFace, ...]:
        height, width = pixels.shape[:2]
        scale = min(1.0, longest_px / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        # Sides are rounded to whole pixels, so each axis has its own way back.
        back = np.array([width / size[0], height / size[1]], dtype=np.float32)
        origin = np.zeros(2, dtype=np.float32)
        found = self._network.search(resized(pixels, *size), longest_px)
        faces = [_face(row, back, origin) for row in found]
        return tuple(sorted(faces, key=lambda face: -face.box.area))


def _face(row: Vector, back: Vector, origin: Vector) -> DetectedFace:
    """Read one row of YuNet. back: image pixels per searched pixel. origin: of the searched, in the image."""
    # A pixel's middle stays a pixel's middle.
    shift = origin + (back - 1) * np.float32(0.5)
    left, top = row[0:2] * back + shift
    width, height = row[2:4] * back
    return DetectedFace(
        box=Box(float(left), float(top), float(width), float(height)),
        landmarks=row[4:14].reshape(5, 2) * back + shift,
        confidence=float(row[14]),
        seen_px=float(row[3] * min(1.0, back[1])),
    )

"""Chooses whose face a capture is about when several are in it.

At a kiosk the person who checks in is the nearest one, and mostly in the middle: size counts, and a place
near the border counts against. So does a detector's doubt: a profile cut off at the border, or a hand before
a mouth, may be larger than the face that is meant. An enrolment photo must show one person only; see
`rival_count`.
"""

import math
from collections.abc import Sequence

from recognition_worker.domain.face import DetectedFace

_BORDER_WEIGHT = 0.5
# Of 831 press photos, 2 change their face by it, one to the right person (docs/recognition/accuracy.md).
_DOUBT_POWER = 2
# Somebody behind, at 1.4 times the distance, has half the area: further away is background.
RIVAL_SHARE = 0.5


def by_prominence(faces: Sequence[DetectedFace], width: int, height: int) -> list[DetectedFace]:
    """Order the faces of an image (width, height in pixels), most prominent first."""
    return sorted(faces, key=lambda face: -prominence(face, width, height))


def prominence(face: DetectedFace, width: int, height: int) -> float:
    """Return the face's area, halved for a face whose centre lies in a corner, times confidence squared."""
    x, y = face.box.centre
    away_x, away_y = 2 * x / width - 1, 2 * y / height - 1
    away = min(1.0, math.hypot(away_x, away_y) / math.sqrt(2))
    return face.box.area * (1 - _BORDER_WEIGHT * away) * face.confidence**_DOUBT_POWER


def rival_count(faces: Sequence[DetectedFace], width: int, height: int) -> int:
    """Count the other faces that come close to the most prominent one."""
    ordered = [prominence(face, width, height) for face in by_prominence(faces, width, height)]
    return sum(size >= RIVAL_SHARE * ordered[0] for size in ordered[1:])

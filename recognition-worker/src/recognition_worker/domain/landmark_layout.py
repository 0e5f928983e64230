"""Where the five landmarks lie in a model's input: points in a square of its own size.

Models are trained on faces in one layout and are good only in it. The layout of ArcFace and SFace is
published; dlib's is measured in the crops that dlib itself cuts; a model whose layout nobody states takes
ArcFace's, scaled to its input and zoomed, and has to be measured itself. Models with equal layouts
share a crop.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.alignment import CROP_SIZE, LANDMARKS_112

# Where YuNet finds eye, eye, nose, mouth corner, mouth corner in the 150 x 150 chips that dlib cuts with its
# own 5-point landmark model (`get_face_chip`, padding 0.25): medians over photo 1 of 200 people of LFW.
_DLIB_SIZE = 150
_DLIB_150 = np.array(
    [[46.3, 48.6], [106.1, 48.8], [76.2, 79.7], [50.9, 105.6], [101.8, 106.1]],
    dtype=np.float64,
)

_POINTS: Mapping[str, tuple[int, NDArray[np.float64]]] = {
    "arcface": (CROP_SIZE, LANDMARKS_112),
    "dlib": (_DLIB_SIZE, _DLIB_150),
}
NAMES = frozenset(_POINTS)


@dataclass(frozen=True, slots=True)
class LandmarkLayout:
    """A named layout in a square of `size` pixels. zoom: below 1, there is more around the face."""

    name: str = "arcface"
    size: int = CROP_SIZE
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            known = ", ".join(sorted(NAMES))
            raise ValueError(f"landmark_layout must be one of {known}, it is {self.name!r}")
        if self.size < 1 or self.zoom <= 0.0:
            raise ValueError(f"input_size ({self.size}) and zoom ({self.zoom}) must be positive")

    @property
    def points(self) -> NDArray[np.float64]:
        """Return the points, float64 (5, 2) as (x, y) in pixels, left of the image first."""
        side, points = _POINTS[self.name]
        centre = side / 2
        placed: NDArray[np.float64] = ((points - centre) * self.zoom + centre) * (self.size / side)
        return placed


ARCFACE_112 = LandmarkLayout()

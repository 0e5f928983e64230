"""Brings a face into the position its model was trained on, by five landmarks.

A similarity transform (rotation, uniform scale, translation; no shear) is fitted by least squares, so that
a tilted or small face fills the same 112 x 112 frame. Skipping it costs SFace 17 points of LFW accuracy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector

CROP_SIZE = 112

# Where eye, eye, nose, mouth corner, mouth corner lie in a 112 x 112 crop, left of the image first.
# Source: InsightFace face_align.py `arcface_dst`, the same numbers as OpenCV's FaceRecognizerSF::alignCrop.
LANDMARKS_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
_LANDMARK_SHAPE = (5, 2)
_LEAST_SPREAD_PX2 = 1e-6


class DegenerateLandmarks(ValueError):
    """All landmarks lie in one point, or are not finite: no transform can be fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """matrix: float64 (2, 3); crop = matrix @ (x, y, 1)."""

    matrix: NDArray[np.float64]

    @classmethod
    def around(
        cls, centre: tuple[float, float], *, size: int, scale: float, degrees: float = 0.0
    ) -> "Similarity":
        """Return what brings `centre` into the middle of a square of `size`, turned clockwise on screen."""
        turn = np.radians(degrees)
        rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = np.full(2, (size - 1) / 2)
        return cls(np.column_stack([rotation, middle - rotation @ np.array(centre)]))

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel; above 1 the crop is an enlargement."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def rotation_degrees(self) -> float:
        """By how much the image is turned to make the face upright; positive is clockwise on screen."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    def inverse(self) -> "Similarity":
        """Return the way back, from the crop into the image."""
        back = np.linalg.inv(self.matrix[:, :2])
        return Similarity(np.column_stack([back, -back @ self.matrix[:, 2]]))

    def apply(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map points (n, 2) of the image into the crop."""
        mapped: NDArray[np.float64] = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped


def fit_similarity(landmarks: Vector, layout: NDArray[np.float64] = LANDMARKS_112) -> Similarity:
    """Fit the least-squares similarity from landmarks (5, 2), in image pixels, to a layout of them.

    In two dimensions a rotation with scale is a complex factor, and the optimum has a closed form without
    the singular value decomposition of Umeyama (1991); it is the same optimum, and can never come out as a
    reflection.

    Raises:
        DegenerateLandmarks: the landmarks coincide or are not finite.
    """
    source = np.ascontiguousarray(landmarks, dtype=np.float64)
    if source.shape != _LANDMARK_SHAPE or not np.isfinite(source).all():
        raise DegenerateLandmarks(f"five finite landmarks are needed, got {source.tolist()}")
    points, targets = _as_complex(source), _as_complex(layout)
    middle = points.sum() / len(points)
    around = points - middle
    spread = float(np.vdot(around, around).real)
    if spread < _LEAST_SPREAD_PX2:
        raise DegenerateLandmarks("all landmarks lie in one point")
    factor = np.vdot(around, targets) / spread
    offset = targets.sum() / len(targets) - factor * middle
    return Similarity(
        np.array([[factor.real, -factor.imag, offset.real], [factor.imag, factor.real, offset.imag]])
    )


def _as_complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Read points (n, 2) as x + yi."""
    numbers: NDArray[np.complex128] = np.ascontiguousarray(points).view(np.complex128)[:, 0]
    return numbers

"""What a detector says about an image: boxes, five landmarks, confidence, in pixels of that image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An image, (height, width, 3), BGR, upright."""
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; it may reach over the border of the image."""

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Centre as (x, y)."""
        return self.left + self.width / 2, self.top + self.height / 2

    def holds(self, x: float, y: float) -> bool:
        """Say whether a point lies in it."""
        return 0 <= x - self.left <= self.width and 0 <= y - self.top <= self.height

    def scaled(self, factor: float) -> "Box":
        """Return the same rectangle in an image that is `factor` times as large."""
        return Box(self.left * factor, self.top * factor, self.width * factor, self.height * factor)


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face. landmarks: float32 (5, 2) as (x, y): eye, eye, nose, mouth corner, mouth corner.

    Each pair starts with the one that lies on the left in an upright image. seen_px: how high it was in what
    the detector searched, perhaps a smaller copy of the image.
    """

    box: Box
    landmarks: Vector
    confidence: float
    seen_px: float = math.inf

    def scaled(self, factor: float) -> "DetectedFace":
        """Return the same face in an image that is `factor` times as large."""
        # A pixel's middle stays a pixel's middle.
        points = (self.landmarks + np.float32(0.5)) * np.float32(factor) - np.float32(0.5)
        return DetectedFace(self.box.scaled(factor), points, self.confidence, self.seen_px)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An upright image and by how much it was shrunk while decoding (1, 2, 4 or 8).

    is_coarse: another decode would give more pixels.
    """

    pixels: Pixels
    reduction: int = 1
    is_coarse: bool = False

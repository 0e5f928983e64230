"""Drawn faces, and aligned crops of them and of real ones."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.alignment import fit_similarity

_PEOPLE = 40

DrawnFace = Callable[..., np.ndarray]
"""(height, width, middle, scale, seed) to an image with a face."""


def _drawn_face(
    height: int, width: int, middle: tuple[float, float], scale: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Draw a face, 150 pixels high at scale 1; YuNet is sure of it. The seed varies its features."""
    drawn = np.random.default_rng(seed)
    image = np.full((height, width, 3), 110, np.uint8)
    skin, dark = drawn.integers(-40, 40), drawn.integers(0, 60)
    wide, apart, low = drawn.uniform(0.85, 1.2, 3)

    def ellipse(x: float, y: float, across: float, down: float, colour: tuple[float, float, float]) -> None:
        centre = round(middle[0] + x * scale), round(middle[1] + y * scale)
        axes = max(1, round(across * scale)), max(1, round(down * scale))
        cv2.ellipse(image, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    ellipse(0, -10, 66 * wide, 88, (40.0 + dark, 50.0 + dark, 60.0 + dark))
    ellipse(0, 10, 56 * wide, 75, (140.0 + skin, 170.0 + skin, 215.0 + skin))
    for x in (-22 * apart, 22 * apart):
        ellipse(x, -5, 11, 6, (240, 240, 240))
        ellipse(x, -5, 5, 5, (50, 40, 30))
        ellipse(x, -20, 14, 4, (50, 60, 70))
    ellipse(0, 18, 5, 14, (120.0 + skin, 150.0 + skin, 195.0 + skin))
    for x in (-5, 5):
        ellipse(x, 28, 4, 3, (90, 110, 150))
    ellipse(0, 48 * low, 20, 7, (90, 90, 180))
    ellipse(0, 46 * low, 20, 3, (60, 60, 140))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.5, 2 * scale)))


@pytest.fixture(scope="session")
def drawn_face() -> DrawnFace:
    return _drawn_face


@pytest.fixture(scope="session")
def photos(faces_dir: Path) -> list[Path]:
    return sorted(faces_dir.glob("known/*/1.jpg"))[:_PEOPLE]


@pytest.fixture(scope="session")
def drawn_crops(model_files: ModelFiles) -> np.ndarray:
    """Aligned drawings of 24 faces; uint8 (24, 112, 112, 3)."""
    cropper, detector = OpenCvFaceCropper(), YuNetDetector(OpenCvYuNet(model_files.yunet_file))
    crops = []
    for seed in range(24):
        image = _drawn_face(240, 320, (160, 120), seed=seed)
        (face,) = detector.detect(image)
        crops.append(cropper.crop(image, fit_similarity(face.landmarks), 112))
    return np.stack(crops)


@pytest.fixture(scope="session")
def synthetic_crops() -> np.ndarray:
    """Blocks of colour, as sharp as a face never is; uint8 (40, 112, 112, 3)."""
    coarse = np.random.default_rng(11).integers(0, 256, (40, 14, 14, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="session")
def real_crops(model_files: ModelFiles, faces_dir: Path) -> np.ndarray:
    """Aligned faces, two of each person, one after the other."""
    decoder, cropper = OpenCvImageDecoder(), OpenCvFaceCropper()
    detector = YuNetDetector(OpenCvYuNet(model_files.yunet_file))
    crops = []
    for person in sorted(faces_dir.glob("known/*"))[:_PEOPLE]:
        for number in ("1", "3"):
            pixels = decoder.decode((person / f"{number}.jpg").read_bytes()).pixels
            face = detector.detect(pixels)[0]
            crops.append(cropper.crop(pixels, fit_similarity(face.landmarks), 112))
    return np.stack(crops)

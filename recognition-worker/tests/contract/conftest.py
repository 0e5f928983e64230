"""The prepared model files; photos of real faces come from FACES_DIR, which is not shipped."""

import os
from pathlib import Path

import numpy as np
import pytest

from recognition_worker.adapters.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNetDetector,
)
from recognition_worker.adapters.packaged_models import ModelFiles, prepare_models
from recognition_worker.domain.alignment import fit_similarity

_BESIDE_THE_REPOSITORY = Path(__file__).parents[3].parent / "shared" / "faces" / "lfw300"
_PEOPLE = 40


def _faces_dir() -> Path:
    return Path(os.environ.get("FACES_DIR", _BESIDE_THE_REPOSITORY))


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return prepare_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def synthetic_crops() -> np.ndarray:
    """Blocks of colour, as sharp as a face never is; uint8 (40, 112, 112, 3)."""
    coarse = np.random.default_rng(11).integers(0, 256, (40, 14, 14, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="session")
def real_crops(model_files: ModelFiles) -> np.ndarray:
    """Aligned faces, two of each person, one after the other."""
    decoder, cropper = OpenCvImageDecoder(), OpenCvFaceCropper()
    detector = OpenCvYuNetDetector(model_files.yunet_file)
    crops = []
    for person in sorted(_faces_dir().glob("known/*"))[:_PEOPLE]:
        for number in ("1", "3"):
            pixels = decoder.decode((person / f"{number}.jpg").read_bytes()).pixels
            face = detector.detect(pixels)[0]
            crops.append(cropper.crop(pixels, fit_similarity(face.landmarks), 112))
    return np.stack(crops)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs photos of real faces where there are none; the report counts it as deselected."""
    if (_faces_dir() / "known").is_dir():
        return
    needing = [item for item in items if "real_crops" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needing]
    config.hook.pytest_deselected(items=needing)

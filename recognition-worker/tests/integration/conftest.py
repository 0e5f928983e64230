"""The real models, prepared once; photos of real faces come from FACES_DIR, which is not shipped."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from recognition_worker.adapters.embedders.deepface_sface_embedder import DeepFaceSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector

_BESIDE_THE_REPOSITORY = Path(__file__).parents[3].parent / "shared" / "faces" / "lfw300"


@dataclass(frozen=True)
class Vision:
    files: ModelFiles
    decoder: OpenCvImageDecoder
    detector: YuNetDetector
    cropper: OpenCvFaceCropper
    embedder: DeepFaceSFaceEmbedder


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return prepare_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def vision(model_files: ModelFiles) -> Vision:
    return Vision(
        files=model_files,
        decoder=OpenCvImageDecoder(),
        detector=YuNetDetector(OpenCvYuNet(model_files.yunet_file)),
        cropper=OpenCvFaceCropper(),
        embedder=DeepFaceSFaceEmbedder(model_files),
    )


def _faces_dir() -> Path:
    return Path(os.environ.get("FACES_DIR", _BESIDE_THE_REPOSITORY))


@pytest.fixture(scope="session")
def faces_dir() -> Path:
    return _faces_dir()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs photos of real faces where there are none; the report counts it as deselected."""
    if (_faces_dir() / "known").is_dir():
        return
    needing = [item for item in items if "faces_dir" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needing]
    config.hook.pytest_deselected(items=needing)

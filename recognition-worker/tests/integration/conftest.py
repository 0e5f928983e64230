"""The real eyes and the reference embedder."""

from dataclasses import dataclass

import pytest

from recognition_worker.adapters.embedders.deepface_sface_embedder import DeepFaceSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector


@dataclass(frozen=True)
class Vision:
    files: ModelFiles
    decoder: OpenCvImageDecoder
    detector: YuNetDetector
    cropper: OpenCvFaceCropper
    embedder: DeepFaceSFaceEmbedder


@pytest.fixture(scope="session")
def vision(model_files: ModelFiles) -> Vision:
    return Vision(
        files=model_files,
        decoder=OpenCvImageDecoder(),
        detector=YuNetDetector(OpenCvYuNet(model_files.yunet_file)),
        cropper=OpenCvFaceCropper(),
        embedder=DeepFaceSFaceEmbedder(model_files),
    )

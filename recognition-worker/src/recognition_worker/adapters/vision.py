"""Puts the CPU use cases together over the packaged models. Slow (seconds): call it in a thread."""

import time
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.deepface_sface_embedder import DeepFaceSFaceEmbedder
from recognition_worker.adapters.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNetDetector,
)
from recognition_worker.adapters.packaged_models import prepare_models
from recognition_worker.domain.gallery import InMemoryGallery
from recognition_worker.domain.identity import ModelId
from recognition_worker.enrol_person import EnrolPerson
from recognition_worker.identify_capture import IdentifyCapture
from recognition_worker.recognise import FaceAnalyser


@dataclass(frozen=True, slots=True)
class Vision:
    """The loaded models as use cases over one gallery."""

    model: ModelId
    gallery: InMemoryGallery
    identify: IdentifyCapture
    enrol: EnrolPerson


def load_vision(model_cache: Path) -> Vision:
    """Load the models.

    Raises:
        ModelRefused: a file, licence or manifest is not what it must be; do not start.
    """
    files = prepare_models(model_cache)
    manifest = files.manifest
    embedder = DeepFaceSFaceEmbedder(files)
    gallery = InMemoryGallery(manifest.model, manifest.dimensions)
    analyser = FaceAnalyser(
        OpenCvImageDecoder(), OpenCvYuNetDetector(files.yunet_file), OpenCvFaceCropper(), time.perf_counter
    )
    return Vision(
        model=manifest.model,
        gallery=gallery,
        identify=IdentifyCapture(analyser, embedder, gallery, manifest, time.perf_counter),
        enrol=EnrolPerson(analyser, embedder, gallery, manifest, time.perf_counter),
    )

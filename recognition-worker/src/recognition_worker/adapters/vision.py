"""Puts the CPU use cases together over the packaged models. Slow (seconds): call it in a thread."""

import time
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.embedder_choice import choose, load_embedder
from recognition_worker.adapters.manifest_file import read_manifest
from recognition_worker.adapters.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNetDetector,
)
from recognition_worker.adapters.packaged_models import prepare_models
from recognition_worker.domain.gallery import InMemoryGallery
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.operating_point import DEFAULT_TARGET_FPIR
from recognition_worker.enrol_person import EnrolPerson
from recognition_worker.identify_capture import IdentifyCapture
from recognition_worker.recognise import FaceAnalyser
from recognition_worker.settings import EmbedderChoice
from recognition_worker.straighten_faces import StraighteningDetector


@dataclass(frozen=True, slots=True)
class Vision:
    """The loaded models as use cases over one gallery."""

    model: ModelId
    embedder: EmbedderChoice
    gallery: InMemoryGallery
    identify: IdentifyCapture
    enrol: EnrolPerson


def load_vision(
    model_cache: Path,
    embedder: EmbedderChoice = EmbedderChoice.AUTO,
    *,
    target_fpir: float = DEFAULT_TARGET_FPIR,
    calibration: Path | None = None,
) -> Vision:
    """Load the models. The result names the embedder that was chosen, never auto.

    calibration: a file with thresholds that replace the packaged ones.

    Raises:
        ModelRefused: a file, licence, manifest or calibration is not what it must be, or there are no
            thresholds for the target FPIR; do not start.
    """
    files = prepare_models(model_cache)
    manifest = files.manifest
    if calibration is not None:
        manifest = manifest.calibrated_by(read_manifest(calibration))
    manifest = manifest.for_target(target_fpir)
    chosen = choose(embedder)
    loaded = load_embedder(chosen, files)
    gallery = InMemoryGallery(manifest.model, manifest.dimensions)
    cropper = OpenCvFaceCropper()
    detector = StraighteningDetector(OpenCvYuNetDetector(files.yunet_file), cropper)
    analyser = FaceAnalyser(OpenCvImageDecoder(), detector, cropper, time.perf_counter)
    return Vision(
        model=manifest.model,
        embedder=chosen,
        gallery=gallery,
        identify=IdentifyCapture(analyser, loaded, gallery, manifest, time.perf_counter),
        enrol=EnrolPerson(analyser, loaded, gallery, manifest, time.perf_counter),
    )

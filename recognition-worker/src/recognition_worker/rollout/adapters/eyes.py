"""Puts the CPU use cases together over the models. Slow (seconds): call it in a thread.

The eyes (decode, detect, crop) are shared; a lane is one model with the gallery of its templates.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.embedders.embedder_choice import OPENVINO_CHOICES, choose, load_embedder
from recognition_worker.adapters.models.packaged_models import WeightPlaces, detector_file, prepare_models
from recognition_worker.adapters.runtimes.onnxruntime_byte_products import load_byte_products
from recognition_worker.adapters.vision.liveness_off import LivenessOff
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.openvino_yunet import OpenVinoYuNet
from recognition_worker.adapters.vision.yunet import YuNet
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.recognition.ports import LivenessCheck
from recognition_worker.recognition.recognise import FaceAnalyser
from recognition_worker.recognition.straighten_faces import StraighteningDetector
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.settings import EmbedderChoice, LivenessChoice

LIVENESS_CHECKS: Mapping[LivenessChoice, Callable[[], LivenessCheck]] = {LivenessChoice.OFF: LivenessOff}


@dataclass(frozen=True, slots=True)
class LaneLoader:
    """Loads lanes over one pair of eyes. embedder: what computes SFace, chosen once, never auto."""

    analyser: FaceAnalyser
    embedder: EmbedderChoice
    model_cache: Path
    places: WeightPlaces

    def load(self, manifest: ModelManifest) -> Lane:
        """Prove and load a model. Its gallery is empty.

        Raises:
            ModelRefused: a file, licence or manifest is not what it must be.
        """
        files = prepare_models(self.model_cache, manifest, self.places)
        loaded = load_embedder(self.embedder, files)
        gallery = InMemoryGallery(manifest.model, manifest.dimensions, load_products=load_byte_products)
        return Lane.over(self.analyser, loaded, gallery, manifest, time.perf_counter)


def load_yunet(yunet_file: Path, embedder: EmbedderChoice) -> YuNet:
    """Load the detector's network with the embedder's own runtime, so that no other one joins it.

    Raises:
        ModelRefused: the file cannot be loaded.
    """
    return OpenVinoYuNet(yunet_file) if embedder in OPENVINO_CHOICES else OpenCvYuNet(yunet_file)


def open_eyes(
    yunet_file: Path, embedder: EmbedderChoice, liveness: LivenessCheck | None = None
) -> FaceAnalyser:
    """Put decoder, detector and cropper together, as every pipeline of this worker has them.

    embedder: what computes the embeddings beside them, never auto.
    """
    cropper = OpenCvFaceCropper()
    detector = StraighteningDetector(YuNetDetector(load_yunet(yunet_file, embedder)), cropper)
    return FaceAnalyser(OpenCvImageDecoder(), detector, cropper, time.perf_counter, liveness=liveness)


def load_eyes(
    model_cache: Path,
    embedder: EmbedderChoice = EmbedderChoice.AUTO,
    places: WeightPlaces | None = None,
    liveness: LivenessChoice = LivenessChoice.OFF,
) -> LaneLoader:
    """Load the detector and choose the embedder.

    Raises:
        ModelRefused: the detector is not what it must be, or the embedder is not installed.
    """
    chosen = choose(embedder)
    analyser = open_eyes(detector_file(), chosen, LIVENESS_CHECKS[liveness]())
    return LaneLoader(analyser, chosen, model_cache, places or WeightPlaces())

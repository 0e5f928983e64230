"""The eyes of every pipeline: decoder, detector and cropper put together, with a liveness check."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from recognition_worker.adapters.vision.liveness_off import LivenessOff
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
    turned,
)
from recognition_worker.adapters.vision.openvino_yunet import OpenVinoYuNet
from recognition_worker.adapters.vision.yunet import YuNet
from recognition_worker.adapters.vision.yunet_detector import TURNED_LOOKS_PX, YuNetDetector
from recognition_worker.recognition.ports import LivenessCheck
from recognition_worker.recognition.recognise import FaceAnalyser
from recognition_worker.recognition.straighten_faces import FaceStraightener
from recognition_worker.recognition.turned_looks import TurnedLooks
from recognition_worker.settings import OPENVINO_CHOICES, EmbedderChoice, LivenessChoice

LIVENESS_CHECKS: Mapping[LivenessChoice, Callable[[], LivenessCheck]] = {LivenessChoice.OFF: LivenessOff}


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
    cropper, yunet = OpenCvFaceCropper(), load_yunet(yunet_file, embedder)
    detector = YuNetDetector(yunet)
    return FaceAnalyser(
        OpenCvImageDecoder(),
        detector,
        cropper,
        time.perf_counter,
        straightener=FaceStraightener(detector, cropper),
        turned=TurnedLooks(YuNetDetector(yunet, TURNED_LOOKS_PX), turned),
        liveness=liveness,
    )

"""The worker's pipeline from bytes to decision, and beside it the bare library calls that it consists of.

A bare stage is the calls of OpenCV, OpenVINO or numpy that the pipeline makes, on inputs that lie ready, with
nothing around them: no checks, no shrinking, no boxes, no quality gate, no objects. Nobody could go below
their sum with these libraries and sizes.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.turns import Answer, Spent, spent_on
from recognition_worker.adapters.embedders.embedder_choice import choose
from recognition_worker.adapters.embedders.openvino_sface_embedder import AT_ONCE, compile_sface
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.runtimes.openvino_runtime import Precision
from recognition_worker.adapters.vision.opencv_vision import (
    REDUCED_FLAGS,
    OpenCvFaceCropper,
    OpenCvImageDecoder,
)
from recognition_worker.adapters.vision.openvino_yunet import OpenVinoYuNet
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.composition.lane_loader import load_eyes
from recognition_worker.composition.worker import YOUNG_OBJECTS
from recognition_worker.domain.alignment import CROP_SIZE, Similarity
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import DecodedImage, Pixels, Vector
from recognition_worker.domain.identity import OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.quality import MATCH_LIMITS, NO_LIMITS
from recognition_worker.recognition.identify_capture import AnalysedCapture, IdentifyCapture
from recognition_worker.recognition.recognise import FaceAnalyser, FaceProbe
from recognition_worker.recognition.straighten_faces import FaceStraightener
from recognition_worker.settings import EmbedderChoice
from service_kit.collect_rarely import collect_rarely

ORG = OrgId("bench")
STAGES = ("decode", "detect", "align", "embed", "search")
BATCH = 16


def pipeline_and_stages(
    model_cache: Path, images: Sequence[bytes], gallery: Vector, enrolled: Sequence[bytes], batches: int
) -> Answer:
    """Load the worker's use case; a turn decides `batches` batches, then runs each bare stage on as many.

    enrolled: photos of the people in the images, who take the first rows of the gallery.
    """
    files = prepare_models(model_cache)
    identify = load_identify(model_cache, gallery, enrolled)
    stages = _bare_stages(files, images[:BATCH], gallery)
    # The bare stages repeat their batch, so the pipeline has to have the same images.
    images = images[:BATCH]
    works: dict[str, Callable[[], object]] = {"pipeline": lambda: decide_batch(identify, images), **stages}

    def turn(_question: object) -> dict[str, Spent]:
        taken = [{name: spent_on(work, BATCH) for name, work in works.items()} for _ in range(batches)]
        mean = {name: _mean([one[name] for one in taken]) for name in works}
        return {**mean, "stages": sum((mean[name] for name in STAGES), Spent(0.0, 0.0))}

    turn(None)
    outcomes = decide_batch(identify, images)
    if Outcome.IDENTIFIED not in outcomes:
        raise SystemExit(f"nobody was identified: {outcomes}")
    return turn


def _mean(spent: Sequence[Spent]) -> Spent:
    return Spent(*(sum(values) / len(spent) for values in zip(*spent, strict=True)))


def decide_batch(identify: IdentifyCapture, images: Sequence[bytes]) -> list[Outcome]:
    """Decide images as a thread of the worker does: each analysed alone, embedded together."""
    captures = [AnalysedCapture(ORG, identify.analyse(image)) for image in images]
    return [result.outcome for result in identify.decide(captures)]


def load_identify(model_cache: Path, gallery: Vector, enrolled: Sequence[bytes]) -> IdentifyCapture:
    """Load the worker's use case, as the worker does, over a filled gallery."""
    lane = load_eyes(model_cache, _on_a_cpu()).load(packaged_manifest())
    analysed = [lane.analyser.analyse(photo, NO_LIMITS, thorough=True) for photo in enrolled]
    crops = [probe.crop for probe in analysed if isinstance(probe, FaceProbe)]
    known = lane.embedder.embed(crops)
    for number, row in enumerate([*known, *gallery[len(known) :]]):
        person = PersonId(f"person-{number:05d}")
        lane.gallery.add(Template(ORG, person, TemplateId("t"), lane.model, row))
    collect_rarely(YOUNG_OBJECTS)
    return lane.identify


def _on_a_cpu() -> EmbedderChoice:
    """Return what auto takes on a machine without a GPU."""
    return choose(EmbedderChoice.AUTO, gpu_is_there=lambda: False)


class _NotedDecoder(OpenCvImageDecoder):
    """Notes what was decoded, and at which reduction."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[bytes, int]] = []

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        found = super().decode(data, orientation, coarse=coarse)
        self.noted.append((data, found.reduction))
        return found


class _NotedYuNet(OpenVinoYuNet):
    """Notes what YuNet was given, look by look."""

    def __init__(self, model_file: Path) -> None:
        super().__init__(model_file)
        self.noted: list[Pixels] = []

    def search(self, pixels: Pixels, look_px: int) -> Vector:
        self.noted.append(pixels)
        return super().search(pixels, look_px)


class _NotedCropper(OpenCvFaceCropper):
    """Notes what was warped."""

    def __init__(self) -> None:
        self.noted: list[tuple[Pixels, Similarity]] = []

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        self.noted.append((pixels, transform))
        return super().crop(pixels, transform, size)


def _bare_stages(
    files: ModelFiles, images: Sequence[bytes], gallery: Vector
) -> dict[str, Callable[[], object]]:
    decoder, yunet, cropper = _NotedDecoder(), _NotedYuNet(files.yunet_file), _NotedCropper()
    detector = YuNetDetector(yunet)
    straightener = FaceStraightener(detector, cropper)
    analyser = FaceAnalyser(decoder, detector, cropper, time.perf_counter, straightener=straightener)
    analysed = [analyser.analyse(image, MATCH_LIMITS) for image in images]
    crops = [probe.crop for probe in analysed if isinstance(probe, FaceProbe)]
    data = [(np.frombuffer(image, np.uint8), REDUCED_FLAGS[by]) for image, by in decoder.noted]
    looks = tuple(yunet.noted)
    warps = [(pixels, transform.matrix) for pixels, transform in cropper.noted]
    planes = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C")
    parts = [planes[start : start + AT_ONCE] for start in range(0, len(planes), AT_ONCE)]
    in_bytes = _on_a_cpu() is EmbedderChoice.OPENVINO_INT8
    network, _ = compile_sface(files, Precision.INT8 if in_bytes else None)
    bare_yunet, size = OpenVinoYuNet(files.yunet_file), (CROP_SIZE, CROP_SIZE)
    return {
        "decode": lambda: [cv2.imdecode(image, flag) for image, flag in data],
        "detect": lambda: [bare_yunet.search(pixels, 0) for pixels in looks],
        "align": lambda: [cv2.warpAffine(pixels, matrix, size) for pixels, matrix in warps],
        "embed": lambda: [network(part) for part in parts],
        "search": lambda: [np.argpartition(gallery @ probe, -2) for probe in gallery[: len(crops)]],
    }

"""From image bytes to a face that can be compared: decode, detect, choose, align, judge.

The steps shared by identification and enrolment. Pure orchestration over the vision ports: what is good
enough, and whose face it is, the domain says; how pixels are made, the adapters. CPU work without waiting,
for an executor thread.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from recognition_worker.domain import quality, selection
from recognition_worker.domain.alignment import CROP_SIZE, DegenerateLandmarks, fit_similarity
from recognition_worker.domain.face import DecodedImage, DetectedFace, Pixels
from recognition_worker.ports import FaceCropper, FaceDetector, ImageDecoder
from recognition_worker.results import FaceUsed

Clock = Callable[[], float]
"""Seconds that only ever grow; time.perf_counter in production."""

# A crop that would enlarge the coarse look more than this is cut from a finer one. At 1.25 the score with the
# person's other photos falls by 0.003 at most (docs/recognition/speed.md).
_MOST_ENLARGED = 1.25


class Stopwatch:
    """Collects milliseconds by stage."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        begin = self._clock()
        try:
            yield
        finally:
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + (self._clock() - begin) * 1000.0


@dataclass(frozen=True, slots=True)
class NoFace:
    """There is no face in the image."""

    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PoorQuality:
    """There is a face, and the reasons why it is not good enough."""

    face: FaceUsed
    face_count: int
    reasons: tuple[str, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FaceProbe:
    """An aligned face, ready to be embedded. crop: uint8 (112, 112, 3) BGR.

    rival_count: other faces about as prominent as this one.
    """

    face: FaceUsed
    crop: Pixels
    face_count: int
    rival_count: int
    timings_ms: dict[str, float] = field(default_factory=dict)


Analysis = FaceProbe | NoFace | PoorQuality


class FaceAnalyser:
    """Finds and judges the face of one image. Safe between threads when its ports are."""

    def __init__(
        self, decoder: ImageDecoder, detector: FaceDetector, cropper: FaceCropper, clock: Clock
    ) -> None:
        self._decoder = decoder
        self._detector = detector
        self._cropper = cropper
        self._clock = clock

    def analyse(
        self, image: bytes, limits: quality.QualityLimits, *, orientation: int = 1, thorough: bool = False
    ) -> Analysis:
        """Analyse an image. orientation: EXIF, 1 to 8. thorough: look for small faces as well.

        Raises:
            UndecodableImage: the bytes are no acceptable image; poison for the caller.
        """
        watch = Stopwatch(self._clock)
        with watch.stage("decode"):
            decoded = self._decoder.decode(image, orientation, coarse=not thorough)
        with watch.stage("detect"):
            faces = self._detector.detect(decoded.pixels, thorough=thorough)
        if not faces:
            return NoFace(watch.timings_ms)
        height, width = decoded.pixels.shape[:2]
        chosen = selection.by_prominence(faces, width, height)[0]
        try:
            if decoded.is_coarse and fit_similarity(chosen.landmarks).scale > _MOST_ENLARGED:
                with watch.stage("decode"):
                    finer = self._decoder.decode(image, orientation)
                chosen = chosen.scaled(decoded.reduction / finer.reduction)
                decoded = finer
            with watch.stage("detect"):
                chosen = self._detector.refine(decoded.pixels, chosen)
            with watch.stage("align"):
                transform = fit_similarity(chosen.landmarks)
                crop = self._cropper.crop(decoded.pixels, transform, CROP_SIZE)
        except DegenerateLandmarks:
            return NoFace(watch.timings_ms)
        with watch.stage("quality"):
            measures = quality.measure(chosen, transform, crop)
            reasons = quality.judge(measures, limits)
        used = _used(chosen, decoded, measures)
        if reasons:
            return PoorQuality(used, len(faces), reasons, watch.timings_ms)
        return FaceProbe(
            face=used,
            crop=crop,
            face_count=len(faces),
            rival_count=selection.rival_count(faces, width, height),
            timings_ms=watch.timings_ms,
        )


def _used(face: DetectedFace, decoded: DecodedImage, measures: quality.QualityMeasures) -> FaceUsed:
    return FaceUsed(
        box=face.box.scaled(decoded.reduction),
        detection_score=face.confidence,
        face_size_px=measures.face_size_px * decoded.reduction,
        sharpness=measures.sharpness,
    )

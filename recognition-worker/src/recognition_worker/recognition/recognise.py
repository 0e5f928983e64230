"""From image bytes to a face that can be compared: decode, detect, choose, turn, align, judge, suspect.

The steps shared by identification and enrolment. Pure orchestration over the vision ports: what is good
enough, and whose face it is, the domain says; how pixels are made, the adapters. CPU work without waiting,
for an executor thread.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from recognition_worker.domain import quality, selection
from recognition_worker.domain.alignment import CROP_SIZE, DegenerateLandmarks, Similarity, fit_similarity
from recognition_worker.domain.face import DecodedImage, DetectedFace, Pixels
from recognition_worker.domain.landmark_layout import ARCFACE_112, LandmarkLayout
from recognition_worker.domain.turned_images import turned_back, turned_clockwise
from recognition_worker.recognition.ports import FaceCropper, FaceDetector, ImageDecoder, LivenessCheck
from recognition_worker.recognition.results import FaceUsed
from recognition_worker.recognition.straighten_faces import FaceStraightener
from recognition_worker.recognition.turned_looks import TurnedLooks

Clock = Callable[[], float]
"""Seconds that only ever grow; time.perf_counter in production."""

# A crop that would enlarge the coarse look more than this is cut from a finer one. Up to here the score with
# the person's other photos falls by 0.002, beyond it soon by 0.007 (docs/recognition/speed.md).
_MOST_ENLARGED = 1.5


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
    """There is a face, and the reasons why it is not good enough, or may not be a live person's."""

    face: FaceUsed
    face_count: int
    reasons: tuple[str, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)
    suspected_spoof: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FaceProbe:
    """An aligned face, ready to be embedded. crop: uint8 (size, size, 3) BGR, landmarks as in `layout`.

    rival_count: other faces about as prominent as this one. other_crops: the same face for other models.
    """

    face: FaceUsed
    crop: Pixels
    face_count: int
    rival_count: int
    timings_ms: dict[str, float] = field(default_factory=dict)
    layout: LandmarkLayout = ARCFACE_112
    other_crops: Mapping[LandmarkLayout, Pixels] = field(default_factory=dict)

    def seen_by(self, layout: LandmarkLayout) -> "FaceProbe | None":
        """Return the probe with the crop that a model wants; None when it was not cut."""
        if layout == self.layout:
            return self
        crop = self.other_crops.get(layout)
        return None if crop is None else replace(self, crop=crop, layout=layout)


Analysis = FaceProbe | NoFace | PoorQuality


class FaceAnalyser:
    """Finds and judges the face of one image. Safe between threads when its ports are.

    layout: of the crop. also_cut: the layouts of other models; may be replaced at any time.
    straightener, turned: for tilted heads and for turned images; None where nobody looks again.
    liveness: asked about faces of good quality; None where only the model is measured.
    """

    def __init__(
        self,
        decoder: ImageDecoder,
        detector: FaceDetector,
        cropper: FaceCropper,
        clock: Clock,
        layout: LandmarkLayout = ARCFACE_112,
        *,
        straightener: FaceStraightener | None = None,
        turned: TurnedLooks | None = None,
        liveness: LivenessCheck | None = None,
    ) -> None:
        self._decoder = decoder
        self._detector = detector
        self._cropper = cropper
        self._clock = clock
        self._layout = layout
        self._straightener = straightener
        self._turned = turned
        self._liveness = liveness
        self.also_cut: frozenset[LandmarkLayout] = frozenset()

    def cutting(self, layout: LandmarkLayout) -> "FaceAnalyser":
        """Return an analyser with the same ports for another layout."""
        return FaceAnalyser(
            self._decoder,
            self._detector,
            self._cropper,
            self._clock,
            layout,
            straightener=self._straightener,
            turned=self._turned,
            liveness=self._liveness,
        )

    def analyse(
        self, image: bytes, limits: quality.QualityLimits, *, orientation: int = 1, thorough: bool = False
    ) -> Analysis:
        """Analyse an image. orientation: EXIF, 1 to 8. thorough: look for small faces as well.

        Raises:
            UndecodableImage: the bytes are no acceptable image; poison for the caller.
        """
        watch = Stopwatch(self._clock)
        sight = self._looked(image, orientation, watch, thorough=thorough)
        turned_degrees = self._turn_of(sight, watch)
        if turned_degrees:
            upright = turned_clockwise(orientation, turned_degrees)
            turned = self._straightened(self._looked(image, upright, watch, thorough=thorough), watch)
            # A head that only seemed to stand upright when turned does not bear a straightened look.
            if turned.confidence > sight.confidence:
                if turned.shows_face_of(sight, turned_degrees):
                    return self._judged(turned, limits, turned_degrees, watch)
                # A picture that lies in the image is nobody who checks in, however clear it is.
                ahead = turned.prominence > sight.prominence
                chosen, other = (turned, sight) if ahead else (self._straightened(sight, watch), turned)
                return self._judged(chosen.beside(other), limits, turned_degrees if ahead else 0, watch)
        return self._judged(self._straightened(sight, watch), limits, 0, watch)

    def _looked(self, image: bytes, orientation: int, watch: Stopwatch, *, thorough: bool) -> "_Sight":
        """Decode and detect, and look closely at the most prominent face."""
        with watch.stage("decode"):
            decoded = self._decoder.decode(image, orientation, coarse=not thorough)
        with watch.stage("detect"):
            faces = self._detector.detect(decoded.pixels, thorough=thorough)
        if not faces:
            return _Sight(decoded)
        height, width = decoded.pixels.shape[:2]
        chosen = selection.by_prominence(faces, width, height)[0]
        try:
            decoded, chosen = self._seen_well(decoded, chosen, image, orientation, watch)
        except DegenerateLandmarks:
            return _Sight(decoded)
        return _Sight(decoded, chosen, len(faces), selection.rival_count(faces, width, height))

    def _turn_of(self, sight: "_Sight", watch: Stopwatch) -> int:
        if self._turned is None:
            return 0
        with watch.stage("detect"):
            return self._turned.degrees(sight.decoded.pixels, sight.confidence)

    def _straightened(self, sight: "_Sight", watch: Stopwatch) -> "_Sight":
        if self._straightener is None or sight.face is None:
            return sight
        with watch.stage("detect"):
            return replace(sight, face=self._straightener.straighten(sight.decoded.pixels, sight.face))

    def _judged(
        self, sight: "_Sight", limits: quality.QualityLimits, turned_degrees: int, watch: Stopwatch
    ) -> Analysis:
        """Align and judge the face that was chosen."""
        if sight.face is None:
            return NoFace(watch.timings_ms)
        decoded, face = sight.decoded, sight.face
        try:
            transform, crop = self._aligned(decoded, face, watch)
        except DegenerateLandmarks:
            return NoFace(watch.timings_ms)
        with watch.stage("quality"):
            measures = quality.measure(face, transform, crop)
            reasons = quality.judge(measures, limits)
        used = _used(face, decoded, measures, turned_degrees)
        if reasons:
            return PoorQuality(used, sight.face_count, reasons, watch.timings_ms)
        if suspicions := self._suspicions(decoded, face, watch):
            return PoorQuality(used, sight.face_count, suspicions, watch.timings_ms, suspected_spoof=True)
        crops = self._crops(decoded.pixels, face, crop, watch)
        return FaceProbe(
            face=used,
            crop=crops.pop(self._layout),
            face_count=sight.face_count,
            rival_count=sight.rival_count,
            timings_ms=watch.timings_ms,
            layout=self._layout,
            other_crops=crops,
        )

    def _seen_well(
        self, decoded: DecodedImage, face: DetectedFace, image: bytes, orientation: int, watch: Stopwatch
    ) -> tuple[DecodedImage, DetectedFace]:
        """Decode finer when the face needs it, and look closely at it; DegenerateLandmarks."""
        if decoded.is_coarse and fit_similarity(face.landmarks).scale > _MOST_ENLARGED:
            with watch.stage("decode"):
                finer = self._decoder.decode(image, orientation)
            face = face.scaled(decoded.reduction / finer.reduction)
            decoded = finer
        with watch.stage("detect"):
            return decoded, self._detector.refine(decoded.pixels, face)

    def _aligned(
        self, decoded: DecodedImage, face: DetectedFace, watch: Stopwatch
    ) -> tuple[Similarity, Pixels]:
        """Bring the face into the layout that quality is judged in; DegenerateLandmarks."""
        with watch.stage("align"):
            transform = fit_similarity(face.landmarks)
            return transform, self._cropper.crop(decoded.pixels, transform, CROP_SIZE)

    def _suspicions(self, decoded: DecodedImage, face: DetectedFace, watch: Stopwatch) -> tuple[str, ...]:
        if self._liveness is None:
            return ()
        with watch.stage("liveness"):
            return self._liveness.suspicions(decoded.pixels, face)

    def _crops(
        self, pixels: Pixels, face: DetectedFace, first: Pixels, watch: Stopwatch
    ) -> dict[LandmarkLayout, Pixels]:
        """Cut the face for every model; `first` is what quality was judged on."""
        crops = {ARCFACE_112: first}
        with watch.stage("align"):
            for layout in {self._layout, *self.also_cut} - {ARCFACE_112}:
                transform = fit_similarity(face.landmarks, layout.points)
                crops[layout] = self._cropper.crop(pixels, transform, layout.size)
        return crops


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """An image as it was decoded. face: the most prominent one, seen closely."""

    decoded: DecodedImage
    face: DetectedFace | None = None
    face_count: int = 0
    rival_count: int = 0

    @property
    def confidence(self) -> float:
        """Return how sure the detector is of the face; 0 without one."""
        return self.face.confidence if self.face else 0.0

    @property
    def prominence(self) -> float:
        """Return how prominent the face is, in an image of any reduction; 0 without one."""
        if self.face is None:
            return 0.0
        height, width = self.decoded.pixels.shape[:2]
        return selection.prominence(self.face, width, height) * self.decoded.reduction**2

    def shows_face_of(self, upright: "_Sight", degrees: int) -> bool:
        """Say whether this, turned by degrees, shows the face that was seen upright, if one was."""
        if upright.face is None or self.face is None:
            return True
        height, width = self.decoded.pixels.shape[:2]
        x, y = self.face.box.centre
        x, y = turned_back(x / width, y / height, degrees)
        height, width = upright.decoded.pixels.shape[:2]
        return upright.face.box.holds(x * width, y * height)

    def beside(self, other: "_Sight") -> "_Sight":
        """Return this beside the face of another look, which lies elsewhere in the image."""
        is_rival = other.prominence >= selection.RIVAL_SHARE * self.prominence
        return replace(self, face_count=self.face_count + 1, rival_count=self.rival_count + is_rival)


def _used(
    face: DetectedFace, decoded: DecodedImage, measures: quality.QualityMeasures, turned_degrees: int
) -> FaceUsed:
    return FaceUsed(
        box=face.box.scaled(decoded.reduction),
        detection_score=face.confidence,
        face_size_px=measures.face_size_px * decoded.reduction,
        sharpness=measures.sharpness,
        turned_degrees=turned_degrees,
    )

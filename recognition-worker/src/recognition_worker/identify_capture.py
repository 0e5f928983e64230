"""Says who is in a capture, or that nobody can be named.

Analysis takes one image at a time and may run for several images in parallel threads; the embeddings of a
batch are made in one call, then each probe is searched and decided on its own. What cannot be decoded
raises; everything else is an outcome.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.quality import MATCH_LIMITS, QualityLimits
from recognition_worker.ports import Embedder, Gallery
from recognition_worker.recognise import (
    Analysis,
    Clock,
    FaceAnalyser,
    FaceProbe,
    NoFace,
    PoorQuality,
    Stopwatch,
)
from recognition_worker.results import CaptureResult


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedCapture:
    """A capture after its analysis. scope: the people to compare with; None means the whole organisation."""

    org_id: OrgId
    analysis: Analysis
    scope: Collection[PersonId] | None = None


class IdentifyCapture:
    """The use case. Synchronous CPU work: call it in an executor thread."""

    def __init__(
        self,
        analyser: FaceAnalyser,
        embedder: Embedder,
        gallery: Gallery,
        manifest: ModelManifest,
        clock: Clock,
        limits: QualityLimits = MATCH_LIMITS,
    ) -> None:
        self._analyser = analyser
        self._embedder = embedder
        self._gallery = gallery
        self._manifest = manifest
        self._clock = clock
        self._limits = limits

    def __call__(
        self,
        image: bytes,
        *,
        org_id: OrgId,
        scope: Collection[PersonId] | None = None,
        orientation: int = 1,
    ) -> CaptureResult:
        """Identify one capture.

        Raises:
            UndecodableImage: the bytes are no acceptable image; poison.
        """
        return self.decide([AnalysedCapture(org_id, self.analyse(image, orientation=orientation), scope)])[0]

    def analyse(self, image: bytes, *, orientation: int = 1) -> Analysis:
        """Do the part of one image that needs no other: decode, detect, align, judge.

        Raises:
            UndecodableImage: the bytes are no acceptable image; poison.
        """
        return self._analyser.analyse(image, self._limits, orientation=orientation)

    def decide(self, captures: Sequence[AnalysedCapture]) -> list[CaptureResult]:
        """Embed all probes of a batch in one call, search and decide; results in the order given."""
        probes = [capture.analysis for capture in captures if isinstance(capture.analysis, FaceProbe)]
        watch = Stopwatch(self._clock)
        with watch.stage("embed"):
            embeddings = iter(self._embedder.embed([probe.crop for probe in probes]))
        embed_ms = watch.timings_ms["embed"] / max(len(probes), 1)
        results = []
        for capture in captures:
            match capture.analysis:
                case NoFace(timings_ms=timings_ms):
                    results.append(self._no_face(timings_ms))
                case PoorQuality() as poor:
                    results.append(self._poor(poor))
                case FaceProbe() as probe:
                    results.append(self._compared(capture, probe, next(embeddings), embed_ms))
        return results

    def _no_face(self, timings_ms: dict[str, float]) -> CaptureResult:
        reasons = ("there is no face in the image: look into the camera",)
        return CaptureResult(Outcome.NO_FACE, self._embedder.model, reasons=reasons, timings_ms=timings_ms)

    def _poor(self, poor: PoorQuality) -> CaptureResult:
        return CaptureResult(
            Outcome.SUSPECTED_SPOOF if poor.suspected_spoof else Outcome.POOR_QUALITY,
            self._embedder.model,
            face=poor.face,
            face_count=poor.face_count,
            reasons=poor.reasons,
            timings_ms=poor.timings_ms,
        )

    def _compared(
        self, capture: AnalysedCapture, probe: FaceProbe, embedding: Vector, embed_ms: float
    ) -> CaptureResult:
        model = self._embedder.model
        watch = Stopwatch(self._clock)
        with watch.stage("search"):
            ranking = self._gallery.search(
                embedding, model, org_id=capture.org_id, scope=capture.scope, limit=2
            )
        decision = decide(ranking.people, self._manifest.thresholds(ranking.searched_count))
        several = f"{probe.rival_count} other face(s) of similar size; the most prominent one was compared"
        return CaptureResult(
            outcome=decision.outcome,
            model=model,
            gallery_size=ranking.searched_count,
            decision=decision,
            face=probe.face,
            face_count=probe.face_count,
            reasons=decision.reasons,
            notes=(several,) if probe.rival_count else (),
            timings_ms={**probe.timings_ms, "embed": embed_ms, **watch.timings_ms},
        )

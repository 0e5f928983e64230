"""Says who is in a capture, or that nobody can be named.

Analysis takes one image at a time and may run for several images in parallel threads; the embeddings of a
batch are made in one call, and those of one organisation and scope searched in one; each is decided on its
own. What cannot be decoded raises; everything else is an outcome.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import OrgId, PersonId, Ranking
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.quality import MATCH_LIMITS, QualityLimits
from recognition_worker.domain.site_decision import Verdict, decide_at_site
from recognition_worker.recognition.ports import Embedder, Gallery
from recognition_worker.recognition.recognise import (
    Analysis,
    Clock,
    FaceAnalyser,
    FaceProbe,
    NoFace,
    PoorQuality,
    Stopwatch,
)
from recognition_worker.recognition.results import CaptureResult

# The best person, and the next one for the margin.
_RANKED = 2


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedCapture:
    """A capture after its analysis. scope: the people of its site; None means the whole organisation."""

    org_id: OrgId
    analysis: Analysis
    scope: frozenset[PersonId] | None = None


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
        analysis = self.analyse(image, orientation=orientation)
        return self.decide([AnalysedCapture(org_id, analysis, None if scope is None else frozenset(scope))])[
            0
        ]

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
            embeddings = self._embedder.embed([probe.crop for probe in probes])
        compared = [capture for capture in captures if isinstance(capture.analysis, FaceProbe)]
        with watch.stage("search"):
            verdicts = iter(self._judge(compared, embeddings))
        # Of each image: its share of the batch.
        shared_ms = {stage: ms / max(len(probes), 1) for stage, ms in watch.timings_ms.items()}
        results = []
        for capture in captures:
            match capture.analysis:
                case NoFace(timings_ms=timings_ms):
                    results.append(self._no_face(timings_ms))
                case PoorQuality() as poor:
                    results.append(self._poor(poor))
                case FaceProbe() as probe:
                    results.append(self._compared(probe, next(verdicts), shared_ms))
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

    def _judge(self, captures: Sequence[AnalysedCapture], embeddings: Vector) -> list[Verdict]:
        """Search and decide; captures of one organisation, and those of one scope, in one search."""
        whole = self._search([(capture.org_id, None) for capture in captures], embeddings)
        limited = [at for at, capture in enumerate(captures) if capture.scope is not None]
        scopes = [(captures[at].org_id, captures[at].scope) for at in limited]
        of_sites = dict(zip(limited, self._search(scopes, embeddings[limited]), strict=True))
        verdicts = []
        for at, (capture, ranking) in enumerate(zip(captures, whole, strict=True)):
            if capture.scope is None:
                thresholds = self._manifest.thresholds(ranking.searched_count)
                verdicts.append(Verdict(decide(ranking.people, thresholds), ranking.searched_count))
            else:
                verdicts.append(
                    decide_at_site(of_sites[at], ranking, capture.scope, self._manifest.thresholds)
                )
        return verdicts

    def _search(
        self, wanted: Sequence[tuple[OrgId, frozenset[PersonId] | None]], embeddings: Vector
    ) -> list[Ranking]:
        alike: dict[tuple[OrgId, frozenset[PersonId] | None], list[int]] = {}
        for at, one in enumerate(wanted):
            alike.setdefault(one, []).append(at)
        rankings: dict[int, Ranking] = {}
        for (org_id, scope), places in alike.items():
            found = self._gallery.search_batch(
                embeddings[places], self._embedder.model, org_id=org_id, scope=scope, limit=_RANKED
            )
            rankings.update(zip(places, found, strict=True))
        return [rankings[at] for at in range(len(wanted))]

    def _compared(self, probe: FaceProbe, verdict: Verdict, shared_ms: Mapping[str, float]) -> CaptureResult:
        decision = verdict.decision
        several = f"{probe.rival_count} other face(s) of similar size; the most prominent one was compared"
        return CaptureResult(
            outcome=decision.outcome,
            model=self._embedder.model,
            gallery_size=verdict.searched_count,
            decision=decision,
            face=probe.face,
            face_count=probe.face_count,
            reasons=decision.reasons,
            notes=(several,) if probe.rival_count else (),
            timings_ms={**probe.timings_ms, **shared_ms},
            is_elsewhere=verdict.is_elsewhere,
        )

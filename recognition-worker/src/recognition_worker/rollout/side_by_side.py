"""Runs the loaded models side by side: one decode and one detection for all, one crop for each layout.

The first lane is the one that decides; which result counts for a capture, the caller says. A lane that is
not the first must never cost a decision: when it fails, it is left out and reported.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from recognition_worker.domain.identity import ModelId, OrgId, PersonId
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.identify_capture import AnalysedCapture
from recognition_worker.recognition.recognise import Analysis, FaceProbe
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult, PhotoResult
from recognition_worker.rollout.model_lanes import Lane

OnFailure = Callable[[ModelId, Exception], None]


class SideBySide:
    """The use cases over all loaded lanes; the set is swapped as a whole. Safe between threads."""

    def __init__(self, on_failure: OnFailure) -> None:
        self._lanes: tuple[Lane, ...] = ()
        self._on_failure = on_failure

    @property
    def models(self) -> tuple[ModelId, ...]:
        """Return the models in use, the deciding one first."""
        return tuple(lane.model for lane in self._lanes)

    def use(self, lanes: Sequence[Lane]) -> None:
        """Use these lanes from now on, the deciding one first."""
        cut = frozenset(lane.layout for lane in lanes)
        for lane in {*self._lanes, *lanes}:
            # Captures in hand may be decided by the new lanes already: the former eyes cut for them too.
            lane.analyser.also_cut = cut - {lane.layout}
        self._lanes = tuple(lanes)

    def analyse(self, image: bytes, *, orientation: int = 1) -> Analysis:
        """Do the part of one image that needs no other; UndecodableImage."""
        return self._lanes[0].identify.analyse(image, orientation=orientation)

    def decide(self, captures: Sequence[AnalysedCapture]) -> list[CaptureResult]:
        """Decide a batch by every lane; each result is the first lane's, with those of the others."""
        lanes = self._lanes
        seen = {lane.model: _seen_by(lane, captures) for lane in lanes}
        able = [lane for lane in lanes if seen[lane.model] is not None]
        decided = able[0].identify.decide(seen[able[0].model] or [])
        beside = [self._beside(lane, seen[lane.model] or []) for lane in able[1:]]
        found = [results for results in beside if results is not None]
        return [
            replace(result, others=tuple(results[at] for results in found))
            for at, result in enumerate(decided)
        ]

    def enrol(
        self,
        photos: Sequence[Photo],
        *,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Make templates for every lane of the photos that the deciding one accepts."""
        first, *others = self._lanes

        def enrolled(lane: Lane) -> EnrolmentResult:
            return lane.enrol(
                photos, org_id=org_id, person_id=person_id, accepted_lookalikes=accepted_lookalikes
            )

        result = enrolled(first)
        made = []
        for lane in others:
            try:
                made.append(enrolled(lane))
            except Exception as failure:  # noqa: BLE001 - whatever it is, it must not cost the enrolment
                self._leave_out(lane, failure)
        accepted = [photo.accepted for photo in result.photos]
        return replace(result, others=tuple(_only(accepted, other) for other in made))

    def _beside(self, lane: Lane, captures: Sequence[AnalysedCapture]) -> list[CaptureResult] | None:
        try:
            return lane.identify.decide(captures)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it must not cost the decision
            self._leave_out(lane, failure)
            return None

    def _leave_out(self, lane: Lane, failure: Exception) -> None:
        self.use([other for other in self._lanes if other is not lane])
        self._on_failure(lane.model, failure)


def _seen_by(lane: Lane, captures: Iterable[AnalysedCapture]) -> list[AnalysedCapture] | None:
    """Return the captures with the crops of a lane; None when one was analysed before the lane came."""
    seen = []
    for capture in captures:
        analysis: Analysis | None = capture.analysis
        if isinstance(analysis, FaceProbe):
            analysis = analysis.seen_by(lane.layout)
        if analysis is None:
            return None
        seen.append(replace(capture, analysis=analysis))
    return seen


def _only(accepted: Sequence[bool], other: EnrolmentResult) -> EnrolmentResult:
    """Take no template of a photo that the deciding model refused: it may show somebody else."""
    photos = (
        photo if kept else PhotoResult(accepted=False, face=photo.face, reasons=photo.reasons)
        for kept, photo in zip(accepted, other.photos, strict=True)
    )
    return replace(other, photos=tuple(photos))

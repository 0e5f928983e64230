"""Makes templates from the photos of a person, or says why a photo cannot become one.

Strict, because a bad template is compared with everybody, every day: one person per photo, good quality,
all photos of the same person, and nobody else enrolled who looks the same, unless hr has checked that they
are two people. Each photo is judged on its own, so one poor photo does not spoil the others; a photo that
is unlike the person's others is accepted with a warning. Deciding about ids, and writing the gallery's
topic, is left to the caller.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from recognition_worker.domain.agreement import odd_ones_out
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.quality import ENROLMENT_LIMITS, QualityLimits
from recognition_worker.domain.template_choice import mean_template
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.ports import Embedder, Gallery
from recognition_worker.recognition.recognise import (
    Clock,
    FaceAnalyser,
    FaceProbe,
    NoFace,
    PoorQuality,
    Stopwatch,
)
from recognition_worker.recognition.results import EnrolmentResult, PhotoResult

NO_FACE_REASON = "there is no face in the photo: look into the camera"
TWO_FACES_REASON = "there are two faces or more in the photo: take it alone"
OTHER_PERSON_REASON = "the photo does not show the same person as the other photos: check whose it is"
LOOKALIKE_REASON = "the face matches somebody who is enrolled already: have it checked by hr"
LOOKALIKE_WARNING = "the face matches somebody else, as hr has accepted: captures of both may go to review"
FAR_WARNING = (
    "the photo is unlike the person's other photos, and would not be identified by them: take another one"
)
TURNED_WARNING = "the photo was turned to find the face: turn the camera, or the photos, before the next one"


@dataclass(frozen=True, slots=True)
class Photo:
    """The bytes of one enrolment photo. orientation: EXIF, 1 to 8."""

    image: bytes
    orientation: int = 1


class EnrolPerson:
    """The use case. Synchronous CPU work: call it in an executor thread."""

    def __init__(
        self,
        analyser: FaceAnalyser,
        embedder: Embedder,
        gallery: Gallery,
        manifest: ModelManifest,
        clock: Clock,
        limits: QualityLimits = ENROLMENT_LIMITS,
    ) -> None:
        self._analyser = analyser
        self._embedder = embedder
        self._gallery = gallery
        self._manifest = manifest
        self._clock = clock
        self._limits = limits

    def __call__(
        self,
        photos: Sequence[Photo],
        *,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Judge all photos of an enrolment; verdicts in the order given.

        accepted_lookalikes: people whom the face may resemble, because hr has checked that it is not theirs.
        A photo that cannot be decoded is refused with its reason like any other: it must not sink the rest.
        """
        watch = Stopwatch(self._clock)
        with watch.stage("analyse"):
            verdicts = [self._analyse(photo) for photo in photos]
        probes = [verdict for verdict in verdicts if isinstance(verdict, FaceProbe)]
        with watch.stage("embed"):
            embeddings = self._embedder.embed([probe.crop for probe in probes])
        with watch.stage("search"):
            whose = _Whose(org_id, person_id, frozenset(accepted_lookalikes))
            judged = iter(self._judge(probes, embeddings, whose))
        results = (next(judged) if isinstance(verdict, FaceProbe) else verdict for verdict in verdicts)
        return EnrolmentResult(self._embedder.model, tuple(results), watch.timings_ms)

    def _analyse(self, photo: Photo) -> FaceProbe | PhotoResult:
        try:
            analysis = self._analyser.analyse(
                photo.image, self._limits, orientation=photo.orientation, thorough=True
            )
        except UndecodableImage as error:
            return PhotoResult(accepted=False, reasons=(str(error),))
        match analysis:
            case NoFace():
                return PhotoResult(accepted=False, reasons=(NO_FACE_REASON,))
            case PoorQuality() as poor:
                return PhotoResult(accepted=False, face=poor.face, reasons=poor.reasons)
            case FaceProbe(rival_count=0) as probe:
                return probe
            case FaceProbe() as crowded:
                return PhotoResult(accepted=False, face=crowded.face, reasons=(TWO_FACES_REASON,))

    def _judge(self, probes: Sequence[FaceProbe], embeddings: Vector, whose: "_Whose") -> list[PhotoResult]:
        strangers = odd_ones_out(embeddings, self._manifest.same_person_score)
        compared = [self._compare(embedding, whose) for embedding in embeddings]
        good = [at for at, one in enumerate(compared) if at not in strangers and one.refusing is None]
        results = []
        for at, (probe, one) in enumerate(zip(probes, compared, strict=True)):
            if at in strangers:
                results.append(PhotoResult(accepted=False, face=probe.face, reasons=(OTHER_PERSON_REASON,)))
            elif one.refusing is not None:
                results.append(
                    PhotoResult(
                        accepted=False, face=probe.face, reasons=(LOOKALIKE_REASON,), looks_like=one.refusing
                    )
                )
            else:
                others = embeddings[[other for other in good if other != at]]
                results.append(
                    PhotoResult(
                        accepted=True,
                        embedding=embeddings[at],
                        face=probe.face,
                        looks_like=one.accepted,
                        warnings=_warnings(probe, embeddings[at], others, one),
                    )
                )
        return results

    def _compare(self, embedding: Vector, whose: "_Whose") -> "_Compared":
        """Compare a photo with everybody enrolled, by the threshold alone: two lookalikes excuse neither."""
        search = partial(self._gallery.search, embedding, self._embedder.model, org_id=whose.org_id)
        ranking = search(limit=len(whose.accepted_lookalikes) + 2)
        threshold = self._manifest.thresholds(ranking.searched_count).threshold
        alike = [
            one.person_id
            for one in ranking.people
            if one.score >= threshold and one.person_id != whose.person_id
        ]
        own = search(scope=[whose.person_id], limit=1).people
        return _Compared(
            refusing=next((one for one in alike if one not in whose.accepted_lookalikes), None),
            accepted=next((one for one in alike if one in whose.accepted_lookalikes), None),
            own_score=own[0].score if own else None,
            threshold=threshold,
        )


@dataclass(frozen=True, slots=True)
class _Whose:
    """Whom an enrolment is about."""

    org_id: OrgId
    person_id: PersonId
    accepted_lookalikes: frozenset[PersonId]


@dataclass(frozen=True, slots=True)
class _Compared:
    """Whom a photo resembles most, not accepted or accepted; its score with the person's own templates."""

    refusing: PersonId | None
    accepted: PersonId | None
    own_score: float | None
    threshold: float


def _warnings(probe: FaceProbe, embedding: Vector, others: Vector, compared: _Compared) -> tuple[str, ...]:
    found = [TURNED_WARNING] if probe.face.turned_degrees else []
    if compared.accepted is not None:
        found.append(LOOKALIKE_WARNING)
    own = [] if compared.own_score is None else [compared.own_score]
    if len(others):
        own.append(float(mean_template(others) @ embedding))
    if own and max(own) < compared.threshold:
        found.append(FAR_WARNING)
    return tuple(found)

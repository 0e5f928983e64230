"""Makes templates from the photos of a person, or says why a photo cannot become one.

Strict, because a bad template is compared with everybody, every day: one person per photo, good quality,
all photos of the same person, and nobody else enrolled who looks the same. Each photo is judged on its own,
so one poor photo does not spoil the others; deciding about ids, and writing the gallery's topic, is left to
the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recognition_worker.domain.agreement import odd_ones_out
from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.quality import ENROLMENT_LIMITS, QualityLimits
from recognition_worker.errors import UndecodableImage
from recognition_worker.ports import Embedder, Gallery
from recognition_worker.recognise import Clock, FaceAnalyser, FaceProbe, NoFace, PoorQuality, Stopwatch
from recognition_worker.results import EnrolmentResult, PhotoResult

NO_FACE_REASON = "there is no face in the photo: look into the camera"
TWO_FACES_REASON = "there are two faces or more in the photo: take it alone"
OTHER_PERSON_REASON = "the photo does not show the same person as the other photos: check whose it is"
LOOKALIKE_REASON = "the face matches somebody who is enrolled already: have it checked by a supervisor"


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

    def __call__(self, photos: Sequence[Photo], *, org_id: OrgId, person_id: PersonId) -> EnrolmentResult:
        """Judge all photos of an enrolment; verdicts in the order given.

        A photo that cannot be decoded is refused with its reason like any other: it must not sink the rest.
        """
        watch = Stopwatch(self._clock)
        with watch.stage("analyse"):
            verdicts = [self._analyse(photo) for photo in photos]
        probes = [verdict for verdict in verdicts if isinstance(verdict, FaceProbe)]
        with watch.stage("embed"):
            embeddings = self._embedder.embed([probe.crop for probe in probes])
        with watch.stage("search"):
            judged = iter(self._judge(probes, embeddings, org_id, person_id))
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

    def _judge(
        self, probes: Sequence[FaceProbe], embeddings: Vector, org_id: OrgId, person_id: PersonId
    ) -> list[PhotoResult]:
        strangers = odd_ones_out(embeddings, self._manifest.same_person_score)
        results = []
        for at, (probe, embedding) in enumerate(zip(probes, embeddings, strict=True)):
            lookalike = self._lookalike(embedding, org_id, person_id)
            if at in strangers:
                results.append(PhotoResult(accepted=False, face=probe.face, reasons=(OTHER_PERSON_REASON,)))
            elif lookalike is not None:
                results.append(
                    PhotoResult(
                        accepted=False, face=probe.face, reasons=(LOOKALIKE_REASON,), looks_like=lookalike
                    )
                )
            else:
                results.append(PhotoResult(accepted=True, embedding=embedding, face=probe.face))
        return results

    def _lookalike(self, embedding: Vector, org_id: OrgId, person_id: PersonId) -> PersonId | None:
        """Return somebody else whom this face would be identified as."""
        ranking = self._gallery.search(embedding, self._embedder.model, org_id=org_id, limit=3)
        others = [person for person in ranking.people if person.person_id != person_id]
        decision = decide(others, self._manifest.thresholds(ranking.searched_count))
        return decision.person_id if decision.outcome is Outcome.IDENTIFIED else None

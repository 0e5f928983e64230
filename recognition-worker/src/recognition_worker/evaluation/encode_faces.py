"""From photos to embeddings, as an evaluation needs them: the worker's own steps, with or without its gate.

Without the gate every photo with a face gives an embedding, so that the model is judged, as in a
laboratory; with it, enrolment and matching refuse what they refuse in production. `FaceEncoder` is the
port that another way to make embeddings can take, to be measured by the same protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId, OrgId, PersonId
from recognition_worker.domain.quality import MATCH_LIMITS, NO_LIMITS
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.enrol_person import EnrolPerson, Photo
from recognition_worker.recognition.ports import Embedder
from recognition_worker.recognition.recognise import (
    Clock,
    FaceAnalyser,
    FaceProbe,
    NoFace,
    PoorQuality,
    Stopwatch,
)

EVALUATION = OrgId("evaluation")
NO_FACE = "no face"


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One photo as an embedding (float32 (d,), unit norm), or None with the reasons for the refusal."""

    embedding: Vector | None
    reasons: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class FaceEncoder(Protocol):
    """A way from photos to embeddings."""

    @property
    def model(self) -> ModelId:
        """Return the model that made the embeddings."""
        ...

    def enrol(self, person_id: PersonId, photos: Sequence[bytes]) -> list[Encoded]:
        """Encode the enrolment photos of one person, in order."""
        ...

    def probe(self, photos: Sequence[bytes]) -> list[Encoded]:
        """Encode captures, in order, with the milliseconds of each stage."""
        ...


class WorkerEncoder:
    """The worker's pipeline. gate: its enrolment use case, whose limits then hold too."""

    def __init__(
        self,
        analyser: FaceAnalyser,
        embedder: Embedder,
        clock: Clock,
        *,
        gate: EnrolPerson | None = None,
        mirrored: bool = False,
    ) -> None:
        self._analyser = analyser
        self._embedder = embedder
        self._clock = clock
        self._gate = gate
        self._mirrored = mirrored

    @property
    def model(self) -> ModelId:
        """Return the embedder's model."""
        return self._embedder.model

    def enrol(self, person_id: PersonId, photos: Sequence[bytes]) -> list[Encoded]:
        """Encode the enrolment photos of one person; by the production rules when there is a gate."""
        if self._gate is None:
            return self.probe(photos)
        result = self._gate([Photo(photo) for photo in photos], org_id=EVALUATION, person_id=person_id)
        return [Encoded(photo.embedding, photo.reasons) for photo in result.photos]

    def probe(self, photos: Sequence[bytes]) -> list[Encoded]:
        """Encode captures; those of one call are embedded in one batch."""
        analysed = [self._analyse(photo) for photo in photos]
        probes = [item for item in analysed if isinstance(item, FaceProbe)]
        watch = Stopwatch(self._clock)
        with watch.stage("embed"):
            embeddings = iter(self._embed([probe.crop for probe in probes]))
        embed_ms = watch.timings_ms["embed"] / max(1, len(probes))
        return [
            Encoded(next(embeddings), timings_ms={**item.timings_ms, "embed": embed_ms})
            if isinstance(item, FaceProbe)
            else item
            for item in analysed
        ]

    def _analyse(self, photo: bytes) -> FaceProbe | Encoded:
        limits = NO_LIMITS if self._gate is None else MATCH_LIMITS
        try:
            analysis = self._analyser.analyse(photo, limits)
        except UndecodableImage as error:
            return Encoded(None, (str(error),))
        match analysis:
            case FaceProbe() as probe:
                return probe
            case NoFace(timings_ms=timings_ms):
                return Encoded(None, (NO_FACE,), timings_ms)
            case PoorQuality() as poor:
                return Encoded(None, poor.reasons, poor.timings_ms)

    def _embed(self, crops: Sequence[Pixels]) -> Vector:
        embeddings = self._embedder.embed(crops)
        if not self._mirrored:
            return embeddings
        both = embeddings + self._embedder.embed([np.ascontiguousarray(crop[:, ::-1]) for crop in crops])
        unit: Vector = both / np.linalg.norm(both, axis=1, keepdims=True)
        return unit

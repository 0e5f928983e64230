"""What the use cases hand back: plain facts, ready to become events.

The names follow the fields of MatchDecided and EnrolmentDecided, which the Kafka side fills from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recognition_worker.domain.decision import Decision, Outcome
from recognition_worker.domain.face import Box, Vector
from recognition_worker.domain.identity import ModelId, PersonId


@dataclass(frozen=True, slots=True)
class FaceUsed:
    """The face that was judged. box: pixels of the upright original. detection_score: [0, 1].

    turned_degrees: by how much the image had to be turned clockwise to find it, after its orientation.
    """

    box: Box
    detection_score: float
    face_size_px: float
    sharpness: float
    turned_degrees: int = 0


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """The answer to one capture.

    decision is None when no comparison took place (NO_FACE, POOR_QUALITY, SUSPECTED_SPOOF). reasons: why
    it is not an identification, in words for people; notes: what an operator may want to know anyway (a
    second face, say). timings_ms by stage: decode, detect, align, quality, liveness, embed and search (the
    batch's time per image).
    is_elsewhere: the candidate is not of the capture's site, which compares with its own people.
    others: what the models beside this one make of the same face.
    """

    outcome: Outcome
    model: ModelId
    gallery_size: int = 0
    decision: Decision | None = None
    face: FaceUsed | None = None
    face_count: int = 0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    is_elsewhere: bool = False
    others: tuple["CaptureResult", ...] = ()

    @property
    def person_id(self) -> PersonId | None:
        """IDENTIFIED: the person. REVIEW: the best candidate. Otherwise None."""
        return self.decision.person_id if self.decision else None


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """The verdict on one enrolment photo. embedding: float32 (d,), unit norm, only when accepted.

    reasons: sentences that help to take a better photo; empty when accepted. looks_like: somebody else who
    is enrolled and reaches the threshold; accepted all the same when hr said so. warnings: what somebody
    should look at although the photo was accepted.
    """

    accepted: bool
    embedding: Vector | None = None
    face: FaceUsed | None = None
    reasons: tuple[str, ...] = ()
    looks_like: PersonId | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EnrolmentResult:
    """The verdicts on an enrolment's photos, in the order given; enrolled when at least one was accepted.

    others: the same photos for the models beside this one.
    """

    model: ModelId
    photos: tuple[PhotoResult, ...]
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    others: tuple["EnrolmentResult", ...] = ()

    @property
    def enrolled(self) -> bool:
        """Whether at least one template came out of it."""
        return any(photo.accepted for photo in self.photos)

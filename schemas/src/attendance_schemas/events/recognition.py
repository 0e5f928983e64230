"""Captures, what recognition makes of them, enrolments and templates, and which model decides."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, field

from attendance_schemas.events.base import (
    Act,
    Authority,
    Direction,
    Event,
    ImageReference,
    Instant,
    TimeTrust,
)


class Outcome(StrEnum):
    """The endings of a recognition."""

    IDENTIFIED = "IDENTIFIED"
    REVIEW = "REVIEW"
    UNKNOWN = "UNKNOWN"
    NO_FACE = "NO_FACE"
    POOR_QUALITY = "POOR_QUALITY"
    SUSPECTED_SPOOF = "SUSPECTED_SPOOF"


class EnrolmentOutcome(StrEnum):
    """ENROLLED when at least one template was made."""

    ENROLLED = "ENROLLED"
    REJECTED = "REJECTED"


class EmbeddingEncoding(StrEnum):
    """How the bytes of an embedding are read."""

    FLOAT32_LE = "FLOAT32_LE"
    AES256_GCM_FLOAT32_LE = "AES256_GCM_FLOAT32_LE"


class RolloutMode(StrEnum):
    """What the candidate model does: nothing (there is none), score only, or decide for some devices."""

    SINGLE = "SINGLE"
    SHADOW = "SHADOW"
    CANARY = "CANARY"


class FaceBox(Struct, frozen=True, kw_only=True):
    """A detected face, in pixels of the upright image; `detection_score` in [0, 1]."""

    x: float
    y: float
    width: float
    height: float
    detection_score: float


class CaptureReceived(Event, frozen=True, kw_only=True):
    """One image from one device at one instant, stored and accepted."""

    capture_id: UUID
    device_id: str
    site_id: str
    device_sequence: int
    time_trust: TimeTrust
    image: ImageReference
    captured_at: Instant
    direction: Direction | None = None
    claimed_badge: str | None = None
    clock_offset_ms: int | None = None
    authority: Authority | None = None


class MatchDecided(Event, frozen=True, kw_only=True):
    """What recognition decided about one capture. Scores are cosine similarities in [-1, 1].

    A higher `decision_round` supersedes, in whatever order they come; of one round, the first in the log
    stands. gallery_offsets: by partition, where the gallery's topic was read on at the comparison.
    """

    capture_id: UUID
    device_id: str
    site_id: str
    device_sequence: int
    time_trust: TimeTrust
    image: ImageReference
    received_at: Instant
    outcome: Outcome
    model_name: str
    model_version: str
    gallery_size: int
    direction: Direction | None = None
    claimed_badge: str | None = None
    person_id: str | None = None
    score: float | None = None
    runner_up_person_id: str | None = None
    runner_up_score: float | None = None
    threshold: float | None = None
    margin: float | None = None
    decision_round: int = 0
    face: FaceBox | None = None
    reasons: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    person_home_site_id: str | None = None
    gallery_offsets: tuple[int, ...] = ()


class EnrolmentRequested(Event, frozen=True, kw_only=True):
    """Photos of a person, stored, to be made into templates."""

    enrolment_id: UUID
    person_id: str
    photos: tuple[ImageReference, ...]
    consent_reference: str
    accepted_lookalikes: tuple[str, ...] = ()
    authority: Authority | None = None


class PhotoVerdict(Struct, frozen=True, kw_only=True):
    """One photo of an enrolment: accepted as a template, or why not; whom it resembles; what to look at."""

    sha256: str
    accepted: bool
    template_id: UUID | None = None
    reasons: tuple[str, ...] = ()
    looks_like: str | None = None
    warnings: tuple[str, ...] = ()


class EnrolmentDecided(Event, frozen=True, kw_only=True):
    """Which photos of an enrolment became templates, and why others did not.

    `decision_round` and `gallery_offsets` are as in MatchDecided, but that an `erased` verdict supersedes
    every other on its request: an erasure is for good.
    """

    enrolment_id: UUID
    person_id: str
    outcome: EnrolmentOutcome
    template_count: int
    photos: tuple[PhotoVerdict, ...]
    model_name: str
    model_version: str
    decision_round: int = 0
    gallery_offsets: tuple[int, ...] = ()
    erased: bool = False


class TemplateEnrolled(Event, frozen=True, kw_only=True):
    """A template of a person for one model; `embedding`: `dimensions` float32 of unit norm, or their seal."""

    template_id: UUID
    enrolment_id: UUID
    person_id: str
    embedding: bytes
    embedding_encoding: EmbeddingEncoding
    dimensions: int
    model_name: str
    model_version: str
    source_sha256: str
    detection_score: float
    face_size_px: float
    sharpness: float
    data_key_id: UUID | None = None


class PersonErased(Act, frozen=True, kw_only=True):
    """A person's biometrics are to be erased; enrolments requested until `occurred_at` are void."""

    erasure_id: UUID
    person_id: str


class PersonKeyIssued(Event, frozen=True, kw_only=True):
    """A data key of a person, wrapped with a key-encryption key; its templates name it."""

    person_id: str
    key_id: UUID
    wrapped_with: str
    wrapped_key: bytes


class PersonKeysErased(Event, frozen=True, kw_only=True):
    """Keys and templates of enrolments requested until `occurred_at` are void, even if written again."""

    person_id: str
    completed_at: Instant | None = None


class ModelRolloutRecorded(Event, frozen=True, kw_only=True):
    """Which model decides from now on, and which one runs beside it; `org_id` * is all organisations."""

    deciding_model_name: str
    deciding_model_version: str
    mode: RolloutMode
    recorded_by: str
    candidate_model_name: str | None = None
    candidate_model_version: str | None = None
    canary_percent: Annotated[int, Meta(ge=0, le=100)] = 0
    canary_sites: tuple[str, ...] = ()
    promoted_from_name: str | None = None
    promoted_from_version: str | None = None

"""The events of the contract, typed: one frozen struct per Avro schema in `schemas/avro`, field by field.

The schema files are the authority; a test holds this module to them. Instants are aware UTC and end in `_at`,
local dates end in `_on`, ids are opaque text or UUIDs.
"""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True)]


class Direction(StrEnum):
    """Which way the person passed."""

    IN = "IN"
    OUT = "OUT"


class TimeTrust(StrEnum):
    """How far the device's clock was believed when `occurred_at` was decided."""

    SYNCED = "SYNCED"
    CORRECTED = "CORRECTED"
    ESTIMATED = "ESTIMATED"
    UNTRUSTED = "UNTRUSTED"


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


class DeviceKind(StrEnum):
    """What a device is."""

    KIOSK = "KIOSK"
    CAMERA = "CAMERA"
    BADGE_READER = "BADGE_READER"


class Pairing(StrEnum):
    """How punches become ins and outs."""

    ALTERNATING = "ALTERNATING"
    DIRECTED = "DIRECTED"


class Counting(StrEnum):
    """What counts as worked."""

    FIRST_LAST = "FIRST_LAST"
    EVERY_PAIR = "EVERY_PAIR"


class Weekday(StrEnum):
    """Day of the week, in ISO order."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"


class ImageReference(Struct, frozen=True, kw_only=True):
    """Where an image lies in the object store. `width` and `height` are as stored, before `orientation`."""

    bucket: str
    key: str
    sha256: str
    media_type: str
    size_bytes: int
    width: int
    height: int
    orientation: Annotated[int, Meta(ge=1, le=8)] = 1


class FaceBox(Struct, frozen=True, kw_only=True):
    """A detected face, in pixels of the upright image; `detection_score` in [0, 1]."""

    x: float
    y: float
    width: float
    height: float
    detection_score: float


class Event(Struct, frozen=True, kw_only=True):
    """What every event carries: its identity, when it happened and was recorded (UTC), and whose it is."""

    event_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    org_id: str


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


class MatchDecided(Event, frozen=True, kw_only=True):
    """What recognition decided about one capture. Scores are cosine similarities in [-1, 1]."""

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
    timings_ms: dict[str, float] = {}


class EnrolmentRequested(Event, frozen=True, kw_only=True):
    """Photos of a person, stored, to be made into templates."""

    enrolment_id: UUID
    person_id: str
    photos: tuple[ImageReference, ...]
    consent_reference: str
    requested_by: str
    accepted_lookalikes: tuple[str, ...] = ()


class PhotoVerdict(Struct, frozen=True, kw_only=True):
    """One photo of an enrolment: accepted as a template, or why not; whom it resembles; what to look at."""

    sha256: str
    accepted: bool
    template_id: UUID | None = None
    reasons: tuple[str, ...] = ()
    looks_like: str | None = None
    warnings: tuple[str, ...] = ()


class EnrolmentDecided(Event, frozen=True, kw_only=True):
    """Which photos of an enrolment became templates, and why others did not."""

    enrolment_id: UUID
    person_id: str
    outcome: EnrolmentOutcome
    template_count: int
    photos: tuple[PhotoVerdict, ...]
    model_name: str
    model_version: str


class TemplateEnrolled(Event, frozen=True, kw_only=True):
    """A template of a person for one model; `embedding` holds `dimensions` float32, unit norm."""

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


class OrganisationRecorded(Event, frozen=True, kw_only=True):
    """An organisation as it is from now on."""

    name: str
    time_zone: str


class SiteRecorded(Event, frozen=True, kw_only=True):
    """A site as it is from now on; `time_zone` is an IANA name."""

    site_id: str
    name: str
    time_zone: str


class DeviceRecorded(Event, frozen=True, kw_only=True):
    """A device as it is from now on."""

    device_id: str
    site_id: str
    name: str
    kind: DeviceKind
    revoked: bool = False


class PersonRecorded(Event, frozen=True, kw_only=True):
    """A person as known from now on."""

    person_id: str
    home_site_id: str
    display_name: str
    badge: str | None = None
    joined_on: date | None = None
    left_on: date | None = None
    active: bool = True
    default_shift_id: str | None = None


class ShiftRecorded(Event, frozen=True, kw_only=True):
    """A version of a shift, in force from `effective_on` until the next version. Times are local."""

    shift_id: str
    effective_on: date
    name: str
    start: time
    end: time
    time_zone: str | None = None
    window_before_minutes: int = 60
    window_after_minutes: int = 60
    late_grace_minutes: int | None = None
    early_grace_minutes: int | None = None
    pairing: Pairing = Pairing.ALTERNATING
    counting: Counting = Counting.FIRST_LAST
    half_day_below_minutes: int | None = None
    absent_below_minutes: int | None = None
    debounce_seconds: int = 60


class RosterRecorded(Event, frozen=True, kw_only=True):
    """A person works a shift between two local dates, inclusive; no weekdays means every day."""

    roster_id: str
    person_id: str
    shift_id: str
    starts_on: date
    ends_on: date | None = None
    weekdays: tuple[Weekday, ...] = ()


EVENT_TYPES: tuple[type[Event], ...] = (
    CaptureReceived,
    MatchDecided,
    EnrolmentRequested,
    EnrolmentDecided,
    TemplateEnrolled,
    OrganisationRecorded,
    SiteRecorded,
    DeviceRecorded,
    PersonRecorded,
    ShiftRecorded,
    RosterRecorded,
)

EVENT_BY_NAME = {event_type.__name__: event_type for event_type in EVENT_TYPES}


def to_fields(event: Event) -> dict[str, object]:
    """Return the event as plain fields, with instants, dates, UUIDs and bytes kept as Python values."""
    fields: dict[str, object] = msgspec.to_builtins(event, builtin_types=(datetime, date, time, UUID, bytes))
    return fields


def from_fields(event_type: type[Event], fields: object) -> Event:
    """Return the typed event of these fields. Raises msgspec.ValidationError, naming the field."""
    return msgspec.convert(fields, event_type, builtin_types=(datetime, date, time, UUID, bytes))

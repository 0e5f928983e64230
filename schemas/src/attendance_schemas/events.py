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
    AES256_GCM_FLOAT32_LE = "AES256_GCM_FLOAT32_LE"


class RolloutMode(StrEnum):
    """What the candidate model does: nothing (there is none), score only, or decide for some devices."""

    SINGLE = "SINGLE"
    SHADOW = "SHADOW"
    CANARY = "CANARY"


class DeviceKind(StrEnum):
    """What a device is."""

    KIOSK = "KIOSK"
    CAMERA = "CAMERA"
    BADGE_READER = "BADGE_READER"


class IdentificationScope(StrEnum):
    """With whom a capture at a site is compared; SITE: the people whose home site it is."""

    ORGANISATION = "ORGANISATION"
    SITE = "SITE"


class Pairing(StrEnum):
    """How punches become ins and outs."""

    ALTERNATING = "ALTERNATING"
    DIRECTED = "DIRECTED"


class Counting(StrEnum):
    """What counts as worked."""

    FIRST_LAST = "FIRST_LAST"
    EVERY_PAIR = "EVERY_PAIR"


class RoundingMode(StrEnum):
    """Which way reported minutes are rounded; NEAREST takes a half up."""

    UP = "UP"
    DOWN = "DOWN"
    NEAREST = "NEAREST"


class LeavePart(StrEnum):
    """How much of each date the leave takes."""

    FULL = "FULL"
    HALF = "HALF"


class PunchMethod(StrEnum):
    """How the person was told from others, without a face."""

    BADGE = "BADGE"
    PIN = "PIN"
    QR = "QR"
    SUPERVISOR = "SUPERVISOR"


class DayStatus(StrEnum):
    """What a day counts as once it is decided."""

    PRESENT = "PRESENT"
    INCOMPLETE = "INCOMPLETE"
    HALF_DAY = "HALF_DAY"
    ABSENT = "ABSENT"
    LEAVE = "LEAVE"
    HOLIDAY = "HOLIDAY"
    WEEKLY_OFF = "WEEKLY_OFF"


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


class PersonErased(Event, frozen=True, kw_only=True):
    """A person's biometrics are to be erased; enrolments requested until `occurred_at` are void."""

    erasure_id: UUID
    person_id: str
    requested_by: str


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


class OrganisationRecorded(Event, frozen=True, kw_only=True):
    """An organisation as it is from now on."""

    name: str
    time_zone: str


class SiteRecorded(Event, frozen=True, kw_only=True):
    """A site as it is from now on; `time_zone` is an IANA name."""

    site_id: str
    name: str
    time_zone: str
    identification_scope: IdentificationScope = IdentificationScope.ORGANISATION


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
    break_minutes: int = 0
    break_after_minutes: int = 360
    rounding: RoundingMode | None = None
    rounding_minutes: int = 15
    overtime_after_minutes: int | None = None
    overtime_cap_minutes: int | None = None
    overtime_needs_approval: bool = False
    count_on_holiday: bool = False


class RosterRecorded(Event, frozen=True, kw_only=True):
    """A person works a shift between two local dates, inclusive, by weekday or by rotation.

    No weekdays means every day. Day 1 of a rotation is `starts_on`.
    """

    roster_id: str
    person_id: str
    shift_id: str
    starts_on: date
    ends_on: date | None = None
    weekdays: tuple[Weekday, ...] = ()
    rotation_length: int | None = None
    rotation_days: tuple[int, ...] = ()


class HolidayRecorded(Event, frozen=True, kw_only=True):
    """A local date on which nobody is expected, at one site or (no `site_id`) in the whole organisation."""

    holiday_id: str
    name: str
    holiday_on: date
    site_id: str | None = None


class LeaveRecorded(Event, frozen=True, kw_only=True):
    """A person is on leave between two local dates, inclusive."""

    leave_id: str
    person_id: str
    starts_on: date
    ends_on: date
    part: LeavePart = LeavePart.FULL
    name: str | None = None


class PolicyRecorded(Event, frozen=True, kw_only=True):
    """A version of what holds for everybody of a site, or of an organisation where a site has none.

    In force from `effective_on` until the next version.
    """

    policy_id: str
    effective_on: date
    name: str
    site_id: str | None = None
    weekly_offs: tuple[Weekday, ...] = ()
    flexible_day_start: time | None = None
    expects_attendance: bool = True


class PunchSubmitted(Event, frozen=True, kw_only=True):
    """A person was at a device at an instant, by badge, PIN or QR code, or a supervisor says so."""

    punch_id: UUID
    method: PunchMethod
    credential: str
    site_id: str
    time_trust: TimeTrust
    captured_at: Instant
    person_id: str | None = None
    device_id: str | None = None
    device_sequence: int | None = None
    direction: Direction | None = None
    clock_offset_ms: int | None = None
    made_by: str | None = None
    reason: str | None = None


class PunchAdded(Event, frozen=True, kw_only=True):
    """A correction: a punch that no device saw; `occurred_at` is when it happened."""

    correction_id: UUID
    person_id: str
    punch_id: UUID
    made_by: str
    reason: str
    site_id: str | None = None
    direction: Direction | None = None


class PunchVoided(Event, frozen=True, kw_only=True):
    """A correction: a punch, or else an earlier correction, counts no longer."""

    correction_id: UUID
    person_id: str
    made_by: str
    reason: str
    punch_id: UUID | None = None
    voided_correction_id: UUID | None = None


class DayOverridden(Event, frozen=True, kw_only=True):
    """A correction: the day as a person decided it; no `shift_id`: every shift of the date."""

    correction_id: UUID
    person_id: str
    attendance_on: date
    status: DayStatus
    made_by: str
    reason: str
    shift_id: str | None = None
    worked_minutes: int = 0
    overtime_minutes: int = 0
    first_in_at: Instant | None = None
    last_out_at: Instant | None = None


class ReviewDecided(Event, frozen=True, kw_only=True):
    """A person decided whom a capture shows, in place of recognition; None: nobody who counts."""

    review_id: UUID
    capture_id: UUID
    made_by: str
    reason: str
    person_id: str | None = None


class ClockTicked(Event, frozen=True, kw_only=True):
    """Time has passed: `occurred_at` has come. `org_id` is empty: it holds for all."""


EVENT_TYPES: tuple[type[Event], ...] = (
    CaptureReceived,
    MatchDecided,
    EnrolmentRequested,
    EnrolmentDecided,
    TemplateEnrolled,
    PersonErased,
    PersonKeyIssued,
    PersonKeysErased,
    ModelRolloutRecorded,
    OrganisationRecorded,
    SiteRecorded,
    DeviceRecorded,
    PersonRecorded,
    ShiftRecorded,
    RosterRecorded,
    HolidayRecorded,
    LeaveRecorded,
    PolicyRecorded,
    PunchSubmitted,
    PunchAdded,
    PunchVoided,
    DayOverridden,
    ReviewDecided,
    ClockTicked,
)

EVENT_BY_NAME = {event_type.__name__: event_type for event_type in EVENT_TYPES}


def to_fields(event: Event) -> dict[str, object]:
    """Return the event as plain fields, with instants, dates, UUIDs and bytes kept as Python values."""
    fields: dict[str, object] = msgspec.to_builtins(event, builtin_types=(datetime, date, time, UUID, bytes))
    return fields


def from_fields(event_type: type[Event], fields: object) -> Event:
    """Return the typed event of these fields. Raises msgspec.ValidationError, naming the field."""
    return msgspec.convert(fields, event_type, builtin_types=(datetime, date, time, UUID, bytes))

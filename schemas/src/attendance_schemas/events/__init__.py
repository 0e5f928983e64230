"""The events of the contract, typed: one frozen struct per Avro schema in `schemas/avro`, field by field.

The schema files are the authority; a test holds this package to them. Instants are aware UTC and end in
`_at`, local dates end in `_on`, ids are opaque text or UUIDs.
"""

from datetime import date, datetime, time
from uuid import UUID

import msgspec

from attendance_schemas.events.attendance import (
    FARTHEST_AHEAD,
    AttendanceDayChanged,
    AttendanceStatus,
    ClockTicked,
    DayChange,
    DayOverridden,
    DayState,
    DayStatus,
    PunchAdded,
    PunchMethod,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
)
from attendance_schemas.events.base import (
    Act,
    Authority,
    Direction,
    Event,
    ImageReference,
    Instant,
    TimeTrust,
)
from attendance_schemas.events.directory import (
    Counting,
    DefaultPolicy,
    DeviceKind,
    DeviceRecorded,
    FormerBadge,
    HolidayRecorded,
    IdentificationScope,
    LeavePart,
    LeaveRecorded,
    OrganisationRecorded,
    Pairing,
    PersonRecorded,
    PersonTerms,
    PolicyRecorded,
    RosterRecorded,
    RoundingMode,
    ShiftRecorded,
    SiteRecorded,
    Weekday,
)
from attendance_schemas.events.operations import (
    DeadLetterSettled,
    ReplayPosition,
    ReplayRecorded,
    ReplayState,
    Settlement,
)
from attendance_schemas.events.periods import (
    DaysLocked,
    LockedAdjustment,
    LockedDay,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
)
from attendance_schemas.events.recognition import (
    CaptureReceived,
    EmbeddingEncoding,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    FaceBox,
    MatchDecided,
    ModelRolloutRecorded,
    Outcome,
    PersonErased,
    PersonKeyIssued,
    PersonKeysErased,
    PhotoVerdict,
    RolloutMode,
    TemplateEnrolled,
)

__all__ = [
    "EVENT_BY_NAME",
    "EVENT_TYPES",
    "FARTHEST_AHEAD",
    "Act",
    "AttendanceDayChanged",
    "AttendanceStatus",
    "Authority",
    "CaptureReceived",
    "ClockTicked",
    "Counting",
    "DayChange",
    "DayOverridden",
    "DayState",
    "DayStatus",
    "DaysLocked",
    "DeadLetterSettled",
    "DefaultPolicy",
    "DeviceKind",
    "DeviceRecorded",
    "Direction",
    "EmbeddingEncoding",
    "EnrolmentDecided",
    "EnrolmentOutcome",
    "EnrolmentRequested",
    "Event",
    "FaceBox",
    "FormerBadge",
    "HolidayRecorded",
    "IdentificationScope",
    "ImageReference",
    "Instant",
    "LeavePart",
    "LeaveRecorded",
    "LockedAdjustment",
    "LockedDay",
    "MatchDecided",
    "ModelRolloutRecorded",
    "OrganisationRecorded",
    "Outcome",
    "Pairing",
    "PeriodLocked",
    "PeriodReopened",
    "PeriodSealed",
    "PersonErased",
    "PersonKeyIssued",
    "PersonKeysErased",
    "PersonRecorded",
    "PersonTerms",
    "PhotoVerdict",
    "PolicyRecorded",
    "PunchAdded",
    "PunchMethod",
    "PunchSubmitted",
    "PunchVoided",
    "ReplayPosition",
    "ReplayRecorded",
    "ReplayState",
    "ReviewDecided",
    "RolloutMode",
    "RosterRecorded",
    "RoundingMode",
    "Settlement",
    "ShiftRecorded",
    "SiteRecorded",
    "TemplateEnrolled",
    "TimeTrust",
    "Weekday",
    "from_fields",
    "from_wire",
    "to_fields",
]

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
    AttendanceDayChanged,
    PeriodLocked,
    PeriodReopened,
    PeriodSealed,
    DaysLocked,
    DeadLetterSettled,
    ReplayRecorded,
)

EVENT_BY_NAME = {event_type.__name__: event_type for event_type in EVENT_TYPES}


def to_fields(event: Event) -> dict[str, object]:
    """Return the event as plain fields, with instants, dates, UUIDs and bytes kept as Python values."""
    fields: dict[str, object] = msgspec.to_builtins(event, builtin_types=(datetime, date, time, UUID, bytes))
    return fields


def from_fields(event_type: type[Event], fields: object) -> Event:
    """Return the typed event of these fields. Raises msgspec.ValidationError, naming the field."""
    return msgspec.convert(fields, event_type, builtin_types=(datetime, date, time, UUID, bytes))


def from_wire(event_type: type[Event], fields: object) -> Event:
    """Return the typed event of fields whose UUIDs are text. Raises msgspec.ValidationError."""
    return msgspec.convert(fields, event_type, builtin_types=(datetime, date, time, bytes))

"""What the projector stores and reads back, as values: punches, captures, people, corrections and so on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import Punch, RosterEntry
from attendance_projector.domain.schedule import Employment, Schedule
from attendance_schemas.events import Event


@dataclass(frozen=True, slots=True)
class KnownCapture:
    """What is stored about a capture: enough to judge a decision and to find its punch."""

    capture_id: UUID
    occurred_at: datetime
    decision_round: int
    org_id: str
    site_id: str
    device_id: str
    direction: str | None
    outcome: str
    person_id: str | None


@dataclass(frozen=True, slots=True)
class AcceptedPunch:
    """A punch of a person, with where it happened. `direction` is the contract's word."""

    punch_id: UUID
    occurred_at: datetime
    org_id: str
    person_id: str
    site_id: str | None
    device_id: str | None
    direction: str | None
    method: str
    capture_id: UUID | None


@dataclass(frozen=True, slots=True)
class Place:
    """The one place of a punch: DAY with date and shift, REVIEW, VOIDED with date, or WAITING."""

    placement: str
    placed_on: date | None = None
    placed_shift_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPunch:
    """A punch as the rules read it, whose it is, and where it is placed now."""

    punch: Punch
    person_id: str
    place: Place


@dataclass(frozen=True, slots=True)
class KnownPunch:
    """What is stored under the id of a punch."""

    punch_id: UUID
    occurred_at: datetime
    person_id: str | None
    method: str
    direction: str | None


@dataclass(frozen=True, slots=True)
class KnownReview:
    """Whom a person saw on a capture; None: nobody who counts."""

    review_id: UUID
    capture_id: UUID
    org_id: str
    person_id: str | None
    recorded_at: datetime


# An organisation and one of its badges.
BadgeKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PendingFact:
    """A punch with a badge that nobody had when it was shown, and who has it now."""

    fact_id: UUID
    occurred_at: datetime
    org_id: str
    badge: str
    person_id: str | None
    site_id: str
    device_id: str | None
    direction: str | None
    method: str


@dataclass(frozen=True)
class CorrectionRow:
    """A correction as stored: ADD has punch and instant, VOID a punch or a correction, OVERRIDE a day."""

    correction_id: UUID
    org_id: str
    person_id: str
    kind: str
    made_by: str
    reason: str
    recorded_at: datetime
    punch_id: UUID | None = None
    occurred_at: datetime | None = None
    site_id: str | None = None
    direction: str | None = None
    voided_correction_id: UUID | None = None
    attendance_on: date | None = None
    shift_id: str | None = None
    status: str | None = None
    worked_minutes: int | None = None
    overtime_minutes: int | None = None
    first_in_at: datetime | None = None
    last_out_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person, and the schedule once the zone of the home site is known."""

    person_id: str
    org_id: str
    home_site_id: str
    default_shift_id: str | None
    employment: Employment
    schedule: Schedule | None


@dataclass(frozen=True, slots=True)
class PersonDates:
    """Local dates of a person, both inclusive."""

    person_id: str
    first_on: date
    last_on: date


@dataclass(frozen=True, slots=True)
class PersonInstants:
    """Instants of a person, both inclusive."""

    person_id: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class PersonDay:
    """A computed day of a person."""

    person: KnownPerson
    day: AttendanceDay


@dataclass(frozen=True, slots=True)
class RosterRow:
    """A roster entry and whose it is."""

    person_id: str
    entry: RosterEntry


@dataclass(frozen=True, slots=True)
class HolidayRow:
    """A holiday and whom it is for: people of a home site, or (None) of the organisation."""

    org_id: str
    site_id: str | None
    holiday_on: date


@dataclass(frozen=True, slots=True)
class Home:
    """A person and the home site."""

    person_id: str
    org_id: str
    home_site_id: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The end of what the directory said: the name of the event and the fields of its key, as text."""

    event_name: str
    fields: Mapping[str, str]
    key: bytes


EventOrTombstone = Event | Tombstone


@dataclass(frozen=True, slots=True)
class DevicePoint:
    """A sequence number of a device that has come, and when it was given."""

    device_id: str
    sequence: int
    occurred_at: datetime

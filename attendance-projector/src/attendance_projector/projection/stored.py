"""What the projector stores and reads back, as values: punches, captures, people, corrections and so on.

An id is its organisation's own, so whatever is looked up by one is looked up by both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import Punch, RosterEntry
from attendance_projector.domain.schedule import Employment, Schedule
from attendance_schemas.events import Event


class PersonKey(NamedTuple):
    """A person of an organisation."""

    org_id: str
    person_id: str


class FactKey(NamedTuple):
    """A capture, punch, correction or lock of an organisation."""

    org_id: str
    fact_id: UUID


# An organisation, and a site, shift, roster entry, holiday, leave or badge of it.
EntryKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KnownCapture:
    """What is stored about a capture: enough to judge a decision and to find its punch."""

    org_id: str
    capture_id: UUID
    occurred_at: datetime
    decision_round: int
    site_id: str
    device_id: str
    direction: str | None
    outcome: str
    person_id: str | None
    person_home_site_id: str | None = None

    @property
    def key(self) -> FactKey:
        """Which capture it is."""
        return FactKey(self.org_id, self.capture_id)


@dataclass(frozen=True, slots=True)
class AcceptedPunch:
    """A punch of a person, with where it happened. `direction` is the contract's word."""

    org_id: str
    punch_id: UUID
    occurred_at: datetime
    person_id: str
    site_id: str | None
    device_id: str | None
    direction: str | None
    method: str
    capture_id: UUID | None

    @property
    def key(self) -> FactKey:
        """Which punch it is."""
        return FactKey(self.org_id, self.punch_id)

    @property
    def person(self) -> PersonKey:
        """Whose it is."""
        return PersonKey(self.org_id, self.person_id)


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
    person: PersonKey
    place: Place


@dataclass(frozen=True, slots=True)
class KnownPunch:
    """What is stored under the id of a punch."""

    org_id: str
    punch_id: UUID
    occurred_at: datetime
    person_id: str | None
    method: str
    direction: str | None


@dataclass(frozen=True, slots=True)
class KnownReview:
    """Whom a person saw on a capture (None: nobody who counts), and by which authority.

    `sites`: those that the maker acts for; None: all. `home_site_id`: of the person whom it names.
    """

    org_id: str
    review_id: UUID
    capture_id: UUID
    person_id: str | None
    home_site_id: str | None
    made_by: str
    sites: frozenset[str] | None
    recorded_at: datetime

    @property
    def key(self) -> FactKey:
        """Which review it is."""
        return FactKey(self.org_id, self.review_id)

    @property
    def capture(self) -> FactKey:
        """Which capture it is about."""
        return FactKey(self.org_id, self.capture_id)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a badge, or had it until an instant, exclusive."""

    person_id: str
    held_until: datetime | None = None

    def has_it_after(self, at: datetime) -> bool:
        """Say whether the person has the badge still after an instant."""
        return self.held_until is None or at < self.held_until


@dataclass(frozen=True, slots=True)
class PendingFact:
    """A punch with a badge that nobody had when it was shown, and who has it now."""

    org_id: str
    fact_id: UUID
    occurred_at: datetime
    badge: str
    person_id: str | None
    site_id: str
    device_id: str | None
    direction: str | None
    method: str

    @property
    def key(self) -> FactKey:
        """Which punch it is."""
        return FactKey(self.org_id, self.fact_id)


@dataclass(frozen=True)
class CorrectionRow:
    """A correction as stored: ADD has punch and instant, VOID a punch or a correction, OVERRIDE a day."""

    org_id: str
    correction_id: UUID
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

    @property
    def key(self) -> FactKey:
        """Which correction it is."""
        return FactKey(self.org_id, self.correction_id)

    @property
    def person(self) -> PersonKey:
        """Whom it corrects."""
        return PersonKey(self.org_id, self.person_id)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds of a person from a local date on."""

    home_site_id: str
    default_shift_id: str | None
    employment: Employment


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person, and the schedule once the zone of the home site is known."""

    key: PersonKey
    terms: Dated[Terms]
    schedule: Schedule | None

    @property
    def home_site_id(self) -> str:
        """The home site now."""
        return self.terms.now.home_site_id


@dataclass(frozen=True, slots=True)
class PersonDates:
    """Local dates of a person, both inclusive."""

    person: PersonKey
    first_on: date
    last_on: date


@dataclass(frozen=True, slots=True)
class PersonInstants:
    """Instants of a person, both inclusive."""

    person: PersonKey
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

    person: PersonKey
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

    person: PersonKey
    home_site_id: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The end of what the directory said: the name of the event and the fields of its key, as text."""

    event_name: str
    fields: Mapping[str, str]
    key: bytes


EventOrTombstone = Event | Tombstone


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a service could not handle, with the word for why, and when it was set aside."""

    event: Event
    reason: str
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class NoFact:
    """A record that says nothing here, such as a dead letter that nobody can read."""


Beside = DeadLetter | NoFact


@dataclass(frozen=True, slots=True)
class DevicePoint:
    """A sequence number of a device that has come, and when it was given."""

    org_id: str
    device_id: str
    sequence: int
    occurred_at: datetime

"""What the projector needs of its surroundings, by role; a transaction covers the whole read model."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

from attendance_projector.directory_facts import LeaveRow, PolicyRow
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.facts import Punch, RosterEntry, ShiftVersion
from attendance_projector.domain.schedule import Employment, Schedule
from attendance_schemas.events import ClockTicked, EnrolmentDecided, Event, MatchDecided, ReviewDecided
from service_kit.records import Position, Record, TopicPartition

T = TypeVar("T")


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
    reported_until: datetime | None = None


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
    """The end of a directory fact: the name of its event and the fields of its key, as text."""

    event_name: str
    fields: Mapping[str, str]
    key: bytes


DirectoryFact = Event | Tombstone


class Positions(Protocol):
    """Consumed positions, and the locks that keep two projectors apart."""

    async def lock(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lock the positions of these partitions and return their next offsets; 0 when never consumed."""

    async def move(self, positions: Iterable[Position]) -> None:
        """Move positions forward; never backward."""

    async def lock_everyone(self) -> None:
        """Wait for all who compute days; they wait for this transaction."""

    async def join_everyone(self) -> None:
        """Compute days only while nobody has locked everyone; comes before the other locks."""

    async def lock_captures(self, capture_ids: Iterable[UUID]) -> None:
        """Wait for those who judge these captures; they wait for this transaction."""

    async def lock_people(self, person_ids: Iterable[str]) -> None:
        """Wait for those who compute days of these people; they wait for this transaction."""


@dataclass(frozen=True, slots=True)
class DevicePoint:
    """A sequence number of a device that has come, and when it was given."""

    device_id: str
    sequence: int
    occurred_at: datetime


class Absence(Protocol):
    """How far time has come, how far sites have reported, and which days that decides."""

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""

    async def store_points(self, points: Sequence[DevicePoint]) -> None:
        """Keep sequence numbers until the next tick."""

    async def move_clock(self, as_of: datetime) -> None:
        """Move the clock and, with all numbers that have come, the watermarks of the sites."""

    async def undecided_days(self, as_of: datetime) -> Sequence[PersonDates]:
        """Return the days without a punch that are decided otherwise now."""

    async def zones(self) -> Sequence[str]:
        """Return the zones of all sites."""

    async def people_of_zones(self, zones: Iterable[str]) -> Sequence[tuple[str, str]]:
        """Return the people whose home site is in one of the zones, each with the zone."""


class Captures(Protocol):
    """Captures, their punches, and enrolments."""

    async def known(self, capture_ids: Iterable[UUID]) -> Mapping[UUID, KnownCapture]:
        """Return those of the captures that are stored."""

    async def store(self, decisions: Sequence[MatchDecided]) -> None:
        """Store one decision for each capture, in place of an earlier round."""

    async def remove_punches(self, punches: Sequence[AcceptedPunch]) -> Sequence[PersonDates]:
        """Remove punches that a later decision took back; return the days that they were on."""

    async def store_punches(self, punches: Sequence[tuple[AcceptedPunch, Place]]) -> None:
        """Store new punches in their places."""

    async def store_enrolments(self, enrolments: Sequence[EnrolmentDecided]) -> None:
        """Store decided enrolments."""


class Corrections(Protocol):
    """What people corrected, reviews, and punches that wait for the holder of a badge."""

    async def of_people(
        self, person_ids: Iterable[str], correction_ids: Iterable[UUID] = ()
    ) -> Mapping[UUID, CorrectionRow]:
        """Return all corrections of these people, and those under these ids."""

    async def store(self, rows: Sequence[CorrectionRow]) -> None:
        """Store new corrections."""

    async def punches(self, punch_ids: Collection[UUID]) -> Mapping[UUID, KnownPunch]:
        """Return those of the punches that are stored or wait for the holder of a badge."""

    async def reviews(self, capture_ids: Collection[UUID]) -> Sequence[KnownReview]:
        """Return all reviews of these captures."""

    async def store_reviews(self, reviews: Sequence[ReviewDecided]) -> None:
        """Store reviews; one that is stored already stays."""

    async def pending(self, badges: Collection[BadgeKey]) -> Sequence[PendingFact]:
        """Return the punches with these badges that are of whoever has the badge."""

    async def store_pending(self, facts: Sequence[PendingFact]) -> None:
        """Store such punches, with who has the badge now."""

    async def holders(self, badges: Collection[BadgeKey]) -> Mapping[BadgeKey, str]:
        """Return who has each of the badges now; one that nobody has is left out."""

    async def badges_of_people(self, person_ids: Collection[str]) -> set[BadgeKey]:
        """Return the badges that these people have."""


class Directory(Protocol):
    """Organisations, sites, devices, people, shifts and so on as last recorded."""

    async def store(self, facts: Iterable[DirectoryFact]) -> None:
        """Store facts, and forget those with a tombstone; no two have the same key."""

    async def people(self, person_ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """Return those of the people who are recorded, with all that their schedules take."""

    async def time_zones(self, site_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the zones of those of the sites that are recorded."""

    async def rosters(self, roster_ids: Iterable[str]) -> Mapping[str, RosterRow]:
        """Return those of the roster entries that are recorded."""

    async def shifts(self, shift_ids: Iterable[str]) -> Sequence[ShiftVersion]:
        """Return all versions of these shifts."""

    async def holidays(self, holiday_ids: Iterable[str]) -> Mapping[str, HolidayRow]:
        """Return those of the holidays that are recorded."""

    async def leave(self, leave_ids: Iterable[str]) -> Mapping[str, LeaveRow]:
        """Return those of the leaves that are recorded."""

    async def organisations_of_policies(self, policy_ids: Iterable[str]) -> Sequence[str]:
        """Return the organisations that have versions of these policies."""

    async def policies(self, org_ids: Iterable[str]) -> Sequence[PolicyRow]:
        """Return all versions of all policies of these organisations."""

    async def homes(self, org_ids: Iterable[str]) -> Sequence[Home]:
        """Return the people of these organisations."""

    async def people_of_sites(self, site_ids: Iterable[str]) -> Sequence[str]:
        """Return the people whose home site is one of these."""

    async def people_of_shift(self, shift_id: str) -> Sequence[str]:
        """Return the people who have this shift by roster or by default."""


class Days(Protocol):
    """Attendance days, and the places of punches."""

    async def extents(self, person_ids: Iterable[str]) -> Mapping[str, PersonDates]:
        """Return the dates around all punches, days and overrides of those people who have any."""

    async def punches(self, spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return the punches of people in their spans, which do not overlap."""

    async def replace(self, spans: Sequence[PersonDates], days: Sequence[PersonDay]) -> None:
        """Make the days of these dates exactly the days given."""

    async def move_punches(self, places: Sequence[tuple[StoredPunch, Place]]) -> None:
        """Give stored punches another place."""


class Transaction(Protocol):
    """One transaction over the read model: all of it happens, or nothing."""

    @property
    def positions(self) -> Positions:
        """Positions and locks."""

    @property
    def captures(self) -> Captures:
        """Captures, punches, enrolments."""

    @property
    def absence(self) -> Absence:
        """Time and the watermarks of sites."""

    @property
    def corrections(self) -> Corrections:
        """Corrections, reviews, pending facts."""

    @property
    def directory(self) -> Directory:
        """The directory."""

    @property
    def days(self) -> Days:
        """Attendance days."""


class ReadModel(Protocol):
    """The tables that the projector owns."""

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Make sure that there is room for facts of these UTC dates and for the days next to them."""

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do the work in one transaction, again when another one was in its way; return what it returns.

        An error of the work rolls it back. Raises TransientFailure("postgresql") when the database is away.
        """


class Timekeeper(Protocol):
    """Knows how far time has been recorded."""

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick. Raises TransientFailure."""


class TickPublisher(Protocol):
    """Records the passing of time."""

    async def publish(self, tick: ClockTicked) -> None:
        """Return when every in-sync replica has the tick. Raises TransientFailure."""


class EventReader(Protocol):
    """Decodes records."""

    async def read(self, record: Record) -> DirectoryFact:
        """Return the event of a record, or a tombstone of the directory.

        Raises PoisonRecord or TransientFailure.
        """

"""What the projector needs of its surroundings, by role; a transaction covers the whole read model."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

from attendance_projector.domain.retention import Retention
from attendance_projector.projection.backlog.ports import Backlog
from attendance_projector.projection.directory.ports import Directory
from attendance_projector.projection.fates.ports import Fates
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.refusals import RefusedFact
from attendance_projector.projection.stored import (
    AcceptedPunch,
    Beside,
    CorrectionRow,
    DevicePoint,
    EntryKey,
    EventOrTombstone,
    FactKey,
    Holder,
    KnownCapture,
    KnownPunch,
    KnownReview,
    PendingFact,
    PersonDates,
    PersonDay,
    PersonInstants,
    PersonKey,
    Place,
    StoredPunch,
)
from attendance_schemas.events import ClockTicked, EnrolmentDecided, Event, MatchDecided, ReviewDecided
from attendance_schemas.topics import Topic
from service_kit.kafka.records import Position, Record, TopicPartition

T = TypeVar("T")


class Positions(Protocol):
    """Consumed positions, and the locks that keep two projectors apart."""

    async def lock(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lock the positions of these partitions and return their next offsets; 0 when never consumed."""

    async def move(self, positions: Iterable[Position]) -> None:
        """Move positions forward; never backward."""

    async def lock_everyone(self) -> None:
        """Wait for all who compute days; they wait for this transaction."""

    async def join_everyone(self, org_ids: Collection[str], *, alone: Collection[str] = ()) -> None:
        """Compute days of these organisations only while nobody has locked them, or everyone.

        alone: those of them to lock: wait for all who compute their days. Comes before the other locks.
        """

    async def change_directory(self) -> None:
        """Let nobody go by what they remember of the directory. The organisations concerned are locked."""

    async def lock_captures(self, judged: Iterable[FactKey], reviewed: Iterable[FactKey]) -> None:
        """Let nobody review the captures judged here, nor judge those reviewed here, until the end."""

    async def lock_people(self, people: Iterable[PersonKey]) -> None:
        """Wait for those who compute days of these people; they wait for this transaction."""


class Absence(Protocol):
    """How far time has come, how far sites have reported, and which days that decides."""

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""

    async def reported_until(self, sites: Collection[EntryKey]) -> Mapping[EntryKey, datetime]:
        """Return until when every device of these sites has reported; those that have not are left out."""

    async def store_points(self, points: Sequence[DevicePoint]) -> None:
        """Keep sequence numbers until the next tick."""

    async def move_clock(self, as_of: datetime) -> None:
        """Move the clock and, with all numbers that have come, the watermarks of the sites."""

    async def undecided_days(self, as_of: datetime) -> Sequence[PersonDates]:
        """Return the days without a punch that are decided otherwise now."""

    async def zones(self) -> Sequence[str]:
        """Return the zones of all sites."""

    async def people_of_zones(self, zones: Iterable[str]) -> Sequence[tuple[PersonKey, str]]:
        """Return the people whose home site is in one of the zones, each with the zone."""


class Captures(Protocol):
    """Captures, their punches, and enrolments."""

    async def known(self, captures: Iterable[FactKey]) -> Mapping[FactKey, KnownCapture]:
        """Return those of the captures that are stored."""

    async def store(self, decisions: Sequence[MatchDecided]) -> None:
        """Store one decision for each capture, in place of an earlier round."""

    async def remove_punches(self, punches: Sequence[AcceptedPunch]) -> Sequence[PersonDates]:
        """Remove punches that a later decision took back; return the days that they were on."""

    async def store_punches(self, punches: Sequence[tuple[AcceptedPunch, Place]]) -> None:
        """Store new punches in their places."""

    async def store_enrolments(self, enrolments: Sequence[EnrolmentDecided]) -> None:
        """Store the verdict on each enrolment that stands, given all of them in the order of the log."""


class Corrections(Protocol):
    """What people corrected, reviews, and punches that wait for the holder of a badge."""

    async def of_people(
        self, people: Iterable[PersonKey], corrections: Iterable[FactKey] = ()
    ) -> Mapping[FactKey, CorrectionRow]:
        """Return all corrections of these people, and those named."""

    async def store(self, rows: Sequence[CorrectionRow]) -> None:
        """Store new corrections."""

    async def punches(self, punches: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the punches that are stored or wait for the holder of a badge."""

    async def punches_without_face(self, facts: Collection[FactKey]) -> Mapping[FactKey, KnownPunch]:
        """Return those of the facts that are punches by something else than a face."""

    async def reviews(
        self, captures: Collection[FactKey], reviews: Collection[FactKey]
    ) -> Sequence[KnownReview]:
        """Return all reviews of these captures, and those named."""

    async def store_reviews(self, reviews: Sequence[ReviewDecided]) -> None:
        """Store reviews; one that is stored already stays."""

    async def pending(self, badges: Collection[EntryKey]) -> Sequence[PendingFact]:
        """Return the punches with these badges that belong to the holder of the badge."""

    async def store_pending(self, facts: Sequence[PendingFact]) -> None:
        """Store such punches, with who has the badge now."""

    async def holders(self, badges: Collection[EntryKey]) -> Mapping[EntryKey, Sequence[Holder]]:
        """Return who had each of the badges, the first one first, and last who has it now."""

    async def badges_of_people(self, people: Collection[PersonKey]) -> set[EntryKey]:
        """Return the badges that these people have, or had."""


class RefusedFacts(Protocol):
    """Facts that the rules refused."""

    async def store(self, refused: Sequence[RefusedFact]) -> None:
        """Store refused facts; one that is stored with the same reason stays."""

    async def take_back(self, reviews: Mapping[FactKey, str | None]) -> None:
        """Take back that these reviews reach beyond their authority, unless for the reason given.

        None: they do not. Why one does goes by those recorded before it, which may come later.
        """


class Days(Protocol):
    """Attendance days, and the places of punches."""

    async def extents(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, PersonDates]:
        """Return the dates around all punches, days, overrides and adjustments of those who have any."""

    async def punches(self, spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return the punches of people in their spans, which do not overlap."""

    async def replace(self, spans: Sequence[PersonDates], days: Sequence[PersonDay]) -> None:
        """Make the days of these dates exactly the days given."""

    async def move_punches(self, places: Sequence[tuple[StoredPunch, Place]]) -> None:
        """Give stored punches another place."""


class Outbox(Protocol):
    """What others are told once the transaction is committed; a rebuild tells nobody."""

    async def add(self, topic: Topic, events: Sequence[Event]) -> None:
        """Publish the events once the transaction is committed; those with one key in this order.

        Only transactions that lock what the key names, such as the person, keep its order among them.
        """


class RetentionOf(Protocol):
    """Which months are kept."""

    async def read(self) -> Retention:
        """Return what is kept; it stands until the end of a transaction that shares the lock on everyone."""


class Transaction(Protocol):
    """One transaction over the read model: all of it happens, or nothing."""

    @property
    def is_live(self) -> bool:
        """Whether effects outside the tables may follow, such as messages to send; never from a rebuild."""

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
    def refused(self) -> RefusedFacts:
        """Refused facts."""

    @property
    def directory(self) -> Directory:
        """The directory."""

    @property
    def days(self) -> Days:
        """Attendance days."""

    @property
    def outbox(self) -> Outbox:
        """Events to publish."""

    @property
    def periods(self) -> Periods:
        """Locked periods."""

    @property
    def backlog(self) -> Backlog:
        """Days that wait to be computed again."""

    @property
    def fates(self) -> Fates:
        """What is awaited, erased or a dead letter."""

    @property
    def retention(self) -> RetentionOf:
        """Which months are kept."""


class ReadModel(Protocol):
    """The tables that the projector owns."""

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Make sure that there is room for facts of these UTC dates."""

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

    async def publish(self, tick: ClockTicked) -> datetime:
        """Return the log's time when every in-sync replica has the tick. Raises TransientFailure."""


class EventReader(Protocol):
    """Decodes records."""

    async def read(self, record: Record) -> EventOrTombstone | Beside:
        """Return the event of a record, a tombstone of the directory, or a dead letter.

        Raises PoisonRecord or TransientFailure.
        """

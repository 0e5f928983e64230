"""What the change feed needs of its surroundings, by role: the outbox, Kafka, and the cache of presence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from attendance_projector.projection.stored import PersonKey
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import OpenDay


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event to publish. `topic` has no installation's prefix; `payload` holds its fields as JSON."""

    id: int
    topic: str
    key: str
    event_type: str
    payload: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many rows wait, counted to a limit, and the age of the oldest."""

    size: int
    oldest: timedelta


class OutboxQueue(Protocol):
    """The outbox as the one relay of a database sees it, over a connection of its own.

    Every method raises TransientFailure("postgresql") when the connection is lost; the lead is lost with it.
    """

    async def lead(self) -> bool:
        """Say whether this is the one relay now: it is until the connection ends."""

    async def first_rows(self, limit: int) -> Sequence[OutboxRow]:
        """Return the oldest rows, in the order in which they are to be published."""

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        """Remove rows that are published."""

    async def refuse(self, row: OutboxRow, why: str) -> None:
        """Keep a row that can never be published, and let those after it go on."""

    async def backlog(self) -> Backlog:
        """Return how much waits, and for how long."""

    async def news(self, timeout: timedelta) -> None:
        """Return when rows have come since the last look, or after the timeout."""


class OutboxPublisher(Protocol):
    """Makes records of rows."""

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Return when every in-sync replica has the events of all rows, in this order for each key.

        Raises TransientFailure: some may have arrived; PoisonRecord: one of them never will.
        """


@dataclass(frozen=True, slots=True)
class FoundOpen:
    """Open days at one instant; `revisions`: the newest of people of whom something is not published yet."""

    days: Sequence[OpenDay]
    revisions: Mapping[PersonKey, int]


class PresenceSource(Protocol):
    """The read model, seen by the one keeper of a database; every method may raise TransientFailure."""

    async def lead(self) -> bool:
        """Say whether this is the one keeper now: it is until the connection ends."""

    async def open_days(self, since: datetime) -> FoundOpen:
        """Return the days that are open since later than this."""

    async def is_told(self) -> bool:
        """Say whether every change has been published, but for those of the last seconds.

        Raises TransientFailure once other tables took the place of those of the last `open_days`.
        """


class ChangeTail(Protocol):
    """The change feed from where it ended when it was opened."""

    async def take(self, timeout: timedelta) -> Sequence[AttendanceDayChanged]:
        """Return what has come since the last call, in order; nothing after the timeout.

        Raises TransientFailure when something was missed.
        """

    async def take_all(self) -> Sequence[AttendanceDayChanged] | None:
        """Return the rest of what the feed holds now; None when that takes too long."""


class PresenceBoard(Protocol):
    """The cache; every method may raise TransientFailure."""

    async def fill(self, days: Sequence[OpenDay]) -> None:
        """Begin a generation with these days and call it whole."""

    async def put(self, opened: Sequence[OpenDay], closed: Sequence[AttendanceDayChanged]) -> None:
        """Add or replace open days of this generation, and take others away."""

    async def renew(self) -> bool:
        """Call this generation whole for some more seconds; False when the cache has lost it."""

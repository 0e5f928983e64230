"""Compute days as the projector does, and keep what it would write instead of writing it.

The use case is the live one, over a transaction that only reads: what comes out is what a projector would
store now, with the same cuts, places of punches and reach of time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from attendance_projector.explain.ports import Alter, Snapshot
from attendance_projector.projection.backlog.ports import Backlog
from attendance_projector.projection.days.recompute_days import recompute_days
from attendance_projector.projection.days.stale_dates import DatesChanged
from attendance_projector.projection.directory.ports import Directory
from attendance_projector.projection.fates.ports import Fates
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.ports import (
    Absence,
    Captures,
    Corrections,
    Days,
    Outbox,
    Positions,
    RefusedFacts,
    RetentionOf,
)
from attendance_projector.projection.stored import (
    PersonDates,
    PersonDay,
    PersonInstants,
    PersonKey,
    Place,
    StoredPunch,
)

# A round holds the punches of its people, and two months of their days, in memory.
PEOPLE_PER_ROUND = 50


@dataclass(slots=True)
class UnstoredDays:
    """`Days` that reads what is stored and keeps what would be stored in its place."""

    stored: Days
    days: list[PersonDay] = field(default_factory=list)
    read: list[StoredPunch] = field(default_factory=list)
    moves: list[tuple[StoredPunch, Place]] = field(default_factory=list)

    async def extents(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, PersonDates]:
        """Return what is stored."""
        return await self.stored.extents(people)

    async def punches(self, spans: Sequence[PersonInstants]) -> Sequence[StoredPunch]:
        """Return what is stored, and remember it."""
        found = await self.stored.punches(spans)
        self.read += found
        return found

    async def replace(self, _spans: Sequence[PersonDates], days: Sequence[PersonDay]) -> None:
        """Keep the days."""
        self.days += days

    async def move_punches(self, places: Sequence[tuple[StoredPunch, Place]]) -> None:
        """Keep the places that differ from those stored."""
        self.moves += places

    def place_of(self, punch: StoredPunch) -> Place:
        """Return the place that the rules give a punch that was read."""
        moved = {each.punch.punch_id: place for each, place in self.moves}
        return moved.get(punch.punch.punch_id, punch.place)


@dataclass(frozen=True, slots=True)
class _DryRun:
    """A transaction that stores nothing."""

    positions: Positions
    captures: Captures
    absence: Absence
    corrections: Corrections
    refused: RefusedFacts
    directory: Directory
    days: UnstoredDays
    outbox: Outbox
    periods: Periods
    backlog: Backlog
    fates: Fates
    retention: RetentionOf
    is_live: bool = False


async def compute_days(
    snapshot: Snapshot, people: Iterable[PersonKey], first_on: date, last_on: date, alter: Alter | None = None
) -> UnstoredDays:
    """Compute the days of these people from first to last, inclusive; `alter` changes what is planned."""
    computed = UnstoredDays(snapshot.days)
    dry_run = _DryRun(
        positions=snapshot.positions,
        captures=snapshot.captures,
        absence=snapshot.absence,
        corrections=snapshot.corrections,
        refused=snapshot.refused,
        directory=snapshot.directory if alter is None else snapshot.altered(alter),
        days=computed,
        outbox=snapshot.outbox,
        # What the rules say, also where a lock keeps what they said before.
        periods=snapshot.unlocked(),
        backlog=snapshot.backlog,
        fates=snapshot.fates,
        retention=snapshot.retention,
    )
    changes = {person: [DatesChanged(first_on, last_on)] for person in people}
    await recompute_days(dry_run, changes, [])
    return computed

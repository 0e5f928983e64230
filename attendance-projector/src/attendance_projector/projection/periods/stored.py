"""What the projector stores of locked periods and reads back, as values."""

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from attendance_projector.domain.facts import ShiftId
from attendance_projector.domain.periods import Adjustment, PeriodLock
from attendance_projector.projection.stored import FactKey, PersonKey
from attendance_schemas.events import LockedAdjustment, LockedDay

# Person, local date, shift.
DayKey = tuple[PersonKey, date, ShiftId]


@dataclass(frozen=True, slots=True)
class KnownPeriod:
    """What is stored under the id of a lock; what has not come yet is None."""

    org_id: str
    lock_id: UUID
    site_id: str | None
    starts_on: date | None
    ends_on: date | None
    made_by: str | None
    reason: str | None
    recorded_at: datetime | None
    sealing_id: UUID | None
    reopening_id: UUID | None
    reopened_at: datetime | None

    @property
    def key(self) -> FactKey:
        """Which lock it is."""
        return FactKey(self.org_id, self.lock_id)


@dataclass(frozen=True, slots=True)
class StoredLock:
    """A lock in force, and whom it covers: people recorded with it, or (no site) everybody."""

    lock: PeriodLock
    key: FactKey
    sealing_id: UUID
    site_id: str | None


@dataclass(frozen=True, slots=True)
class LockedSpan:
    """Local dates of a person, both inclusive, that a lock keeps."""

    person: PersonKey
    first_on: date
    last_on: date
    lock_id: UUID
    sealing_id: UUID


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """An adjustment and whose it is; `closes_at` and `absence` are those of the day by the rules.

    `explanation`: JSON of one that was recorded with a lock, as it was recorded.
    """

    person: PersonKey
    site_id: str
    adjustment: Adjustment
    closes_at: datetime | None = None
    absence: str | None = None
    explanation: str | None = None


@dataclass(slots=True)
class StoodThen:
    """What stands of one person when a period is locked."""

    days: list[LockedDay] = field(default_factory=list)
    adjustments: list[LockedAdjustment] = field(default_factory=list)

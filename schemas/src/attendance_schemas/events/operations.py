"""What operators did with the log: which dead letters they settled, and how far their replays are."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from attendance_schemas.events.base import Event


class Settlement(StrEnum):
    """What became of a dead letter."""

    REDRIVEN = "REDRIVEN"
    DISCARDED = "DISCARDED"


class ReplayState(StrEnum):
    """Where a replay stands; after the last three nothing more is published."""

    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class DeadLetterSettled(Event, frozen=True, kw_only=True):
    """Somebody decided about one record of a topic of dead letters; a later decision on it stands."""

    dead_letter_topic: str
    dead_letter_partition: int
    dead_letter_offset: int
    settlement: Settlement
    reason: str
    recorded_by: str
    job_id: UUID | None = None
    edited: bool = False


class ReplayPosition(Struct, frozen=True, kw_only=True):
    """How far a replay is in one partition, and where its target's partitions ended at that moment."""

    topic: str
    partition: int
    next_offset: int


class ReplayRecorded(Event, frozen=True, kw_only=True):
    """A replay began, got so far, or ended. `plan` is the plan as JSON, in the first record of a job."""

    job_id: UUID
    state: ReplayState
    runner_id: UUID
    recorded_by: str
    approved_by: str | None = None
    plan: str | None = None
    positions: tuple[ReplayPosition, ...] = ()
    target_positions: tuple[ReplayPosition, ...] = ()
    published_count: int = 0
    set_aside_count: int = 0
    detail: str | None = None

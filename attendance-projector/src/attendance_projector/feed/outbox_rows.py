"""Rows of the outbox, and how much of it waits, as values."""

from dataclasses import dataclass
from datetime import timedelta


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

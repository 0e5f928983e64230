"""Which facts are held against each other: what ingest keeps of them, and on which topics they have to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from attendance_schemas.events import (
    CaptureReceived,
    EnrolmentDecided,
    EnrolmentRequested,
    Event,
    MatchDecided,
    PunchSubmitted,
)
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CORRECTIONS,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    FOREVER,
    MATCHES,
    PUNCHES,
    Topic,
)

CAPTURE, ENROLMENT, PUNCH = CaptureReceived.__name__, EnrolmentRequested.__name__, PunchSubmitted.__name__
_CORRECTION = "correction_id"
IDENTITIES: Mapping[str, str] = {
    CAPTURE: "capture_id",
    PUNCH: "punch_id",
    ENROLMENT: "enrolment_id",
    "PunchAdded": _CORRECTION,
    "PunchVoided": _CORRECTION,
    "DayOverridden": _CORRECTION,
    "ReviewDecided": "review_id",
    "PeriodLocked": "lock_id",
    "PeriodReopened": "reopening_id",
}
"""The event of each fact, and the field by which ingest keeps it."""
TOPICS_OF_FACTS: tuple[Topic, ...] = (CAPTURES, CAPTURES_BACKLOG, PUNCHES, CORRECTIONS, ENROLMENTS)
TOPICS_OF_DECISIONS: tuple[Topic, ...] = (MATCHES, ENROLMENT_RESULTS)
DECISIONS: Mapping[str, str] = {
    MatchDecided.__name__: CAPTURE,
    EnrolmentDecided.__name__: ENROLMENT,
}
"""Recognition's events, and the facts that they decide."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: facts that were stored or published from `since` to before `until`.

    ripe: what is younger than this may still be on its way, and is not judged. now: when the look began.
    """

    since: datetime
    until: datetime
    ripe: datetime
    now: datetime


def identity_of(event: Event) -> UUID | None:
    """Return the id of a fact; None: the event is no fact of these."""
    field = IDENTITIES.get(type(event).__name__)
    return None if field is None else getattr(event, field)


def decided_by(event: Event) -> UUID | None:
    """Return the id of the fact that a decision of recognition is about; None: it is no decision."""
    kind = DECISIONS.get(type(event).__name__)
    return None if kind is None else getattr(event, IDENTITIES[kind])


def topics_of(kind: str) -> tuple[Topic, ...]:
    """Return the topics that may have an event."""
    return tuple(topic for topic in TOPICS_OF_FACTS if kind in topic.events)


def kept_for(kind: str) -> timedelta | None:
    """Return how long topics keep an event, as their files say; None: for ever."""
    kept = topics_of(kind)[0].settings.get("retention.ms", FOREVER)
    return None if kept == FOREVER else timedelta(milliseconds=int(kept))


def micros(instant: datetime) -> int:
    """Return an instant as microseconds of UTC since 1970, as the ledger has it."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def instant_of_micros(count: int) -> datetime:
    """Return the instant of microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count)

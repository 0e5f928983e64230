"""What can become of what was accepted, and how it is said."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of a fact that is not applied."""

    REFUSED = "REFUSED"
    DEAD_LETTER = "DEAD_LETTER"
    WAITING = "WAITING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class KindOfFact:
    """What people call a fact, and the events of the contract that carry its id.

    `waits_at_most`: as long as its topic keeps it; afterwards nobody can decide it any more. None: for ever.
    """

    name: str
    events: tuple[str, ...]
    waits_at_most: timedelta | None = None


CAPTURE = KindOfFact("capture", ("CaptureReceived", "MatchDecided"), timedelta(days=60))
PUNCH = KindOfFact("punch", ("PunchSubmitted",))
CORRECTION = KindOfFact(
    "correction",
    ("PunchAdded", "PunchVoided", "DayOverridden", "ReviewDecided", "PeriodLocked", "PeriodReopened"),
)
ENROLMENT = KindOfFact("enrolment", ("EnrolmentRequested", "EnrolmentDecided"))
ERASURE = KindOfFact("erasure", ("PersonErased",))

_REASONS = {
    "undecodable-image": "the image cannot be decoded; take another one",
    "image-missing": "the image is not in the object store; take another one",
    "image-altered": "the image is not the one that was accepted; tell ops",
    "undecodable": "the record cannot be read; ops updates the service and replays it",
    "unexpected-event": "the record stands on a topic where it does not belong; tell ops",
    "expired": "recognition passed it over, and its record has expired; record the time by a correction",
    "fails-alone": "a service failed on it while it handled others; ops looks into it and replays it",
}


def why_dead(reason: str | None) -> str:
    """Return why something is a dead letter, for people: what services write beside it may name places."""
    return _REASONS.get(reason or "", f"a service could not handle it ({reason}); tell ops")

"""What the rules refuse: well-formed facts that count nothing, kept with the reason for people to read.

A refused fact is no dead letter: it can be read, it will be refused again whenever it is read again, and it
stops nothing. The same fact is kept once for each reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple, Protocol, overload

from msgspec import to_builtins

from attendance_projector.projection.stored import EventOrTombstone, Tombstone
from attendance_schemas.events import (
    Authority,
    CaptureReceived,
    DayOverridden,
    EnrolmentDecided,
    EnrolmentRequested,
    Event,
    MatchDecided,
    PeriodLocked,
    PeriodReopened,
    PersonErased,
    PunchAdded,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
)
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

OUT_OF_SCOPE = "out-of-scope"
"""The reason of all that reaches beyond the authority of its maker."""
UNSTORABLE = "unstorable"
"""The reason of what the tables cannot hold."""
NUL = "\x00"


class Reason(NamedTuple):
    """Why a fact is refused: a slug that machines read, and a sentence for people."""

    slug: str
    detail: str


class Refuse(Protocol):
    """Keeps a fact that the rules refuse."""

    def __call__(self, event: Event, reason: Reason) -> None:
        """Keep an event of the batch with the reason."""
        ...


@dataclass(frozen=True, slots=True)
class RefusedFact:
    """A row of `refused_fact`. `about_on`: the UTC or local date that it is about, where it names one."""

    org_id: str
    kind: str
    fact_id: str
    reason: str
    detail: str
    person_id: str | None
    site_id: str | None
    device_id: str | None
    made_by: str | None
    about_on: date | None
    recorded_at: datetime


@dataclass(slots=True)
class Refusals:
    """What was refused of a batch."""

    rows: list[RefusedFact] = field(default_factory=list)
    # Of events of the batch, by type and by reason.
    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def refuse(self, event: Event, reason: Reason) -> None:
        """Keep an event of the batch with the reason."""
        self.rows.append(refused_fact(event, reason))
        self._count(event, reason)

    def refuse_tombstone(self, tombstone: Tombstone, reason: Reason, recorded_at: datetime) -> None:
        """Keep that the directory's word was not taken back, with the reason."""
        self.rows.append(_refused_tombstone(tombstone, reason, recorded_at))
        self._count(tombstone, reason)

    def pass_over(self, event: Event, reason: Reason) -> None:
        """Let an event of the batch count nothing that is nobody's fact, so that nobody looks for it."""
        log.error(
            "an event counts nothing", kind=type(event).__name__, reason=reason.slug, detail=reason.detail
        )
        self._count(event, reason)

    def _count(self, event: EventOrTombstone, reason: Reason) -> None:
        self.kinds[type(event).__name__] += 1
        self.reasons[reason.slug] += 1


def refused_fact(event: Event, reason: Reason) -> RefusedFact:
    """Return the row of a refused event."""
    authority: Authority | None = getattr(event, "authority", None)
    return RefusedFact(
        org_id=event.org_id,
        kind=type(event).__name__,
        fact_id=fact_id_of(event),
        reason=reason.slug,
        detail=storable(reason.detail),
        person_id=storable(getattr(event, "person_id", None)),
        site_id=storable(getattr(event, "site_id", None)),
        device_id=storable(getattr(event, "device_id", None)),
        made_by=None if authority is None else storable(authority.subject),
        about_on=date_of(event),
        recorded_at=event.recorded_at,
    )


def _refused_tombstone(tombstone: Tombstone, reason: Reason, recorded_at: datetime) -> RefusedFact:
    fields = tombstone.fields
    return RefusedFact(
        org_id=fields["org_id"],
        kind=tombstone.event_name,
        fact_id=tombstone.key.decode("utf-8", "replace"),
        reason=reason.slug,
        detail=storable(reason.detail),
        person_id=fields.get("person_id"),
        site_id=fields.get("site_id"),
        device_id=fields.get("device_id"),
        made_by=None,
        about_on=None,
        recorded_at=recorded_at,
    )


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: str | None) -> str | None: ...
def storable(text: str | None) -> str | None:
    """Write the one character that the tables cannot hold as its symbol."""
    return None if text is None else text.replace(NUL, "\N{SYMBOL FOR NULL}")


def unstorable_text(event: Event) -> Reason | None:
    """Return why the tables cannot hold an event, for the text in it; None: it is not for that."""
    fields = [name for name in event.__struct_fields__ if _has_nul(to_builtins(getattr(event, name)))]
    if not fields:
        return None
    detail = f"the character U+0000 stands in {', '.join(fields)}; send it again without"
    return Reason(UNSTORABLE, detail)


def _has_nul(value: object) -> bool:
    match value:
        case str():
            return NUL in value
        case dict():
            return any(_has_nul(each) for item in value.items() for each in item)
        case list() | tuple():
            return any(map(_has_nul, value))
    return False


def fact_id_of(event: Event) -> str:
    """Return the id by which a sender knows a fact; of the directory, that of the event."""
    match event:
        case MatchDecided():
            return str(event.capture_id)
        case PunchSubmitted():
            return str(event.punch_id)
        case PunchAdded() | PunchVoided() | DayOverridden():
            return str(event.correction_id)
        case ReviewDecided():
            return str(event.review_id)
        case PeriodLocked():
            return str(event.lock_id)
        case PeriodReopened():
            return str(event.reopening_id)
        case CaptureReceived():
            return str(event.capture_id)
        case EnrolmentRequested() | EnrolmentDecided():
            return str(event.enrolment_id)
        case PersonErased():
            return str(event.erasure_id)
    return str(event.event_id)


def date_of(event: Event) -> date | None:
    """Return the date that a fact is about, by which months are kept; None: it names none."""
    match event:
        case MatchDecided() | PunchSubmitted() | PunchAdded():
            return event.occurred_at.astimezone(UTC).date()
        case DayOverridden():
            return event.attendance_on
    return None


def distinct(rows: Sequence[RefusedFact]) -> list[RefusedFact]:
    """Return the first row of each fact and reason."""
    first: Mapping[tuple[str, ...], RefusedFact] = {
        (row.org_id, row.kind, row.fact_id, row.reason): row for row in reversed(rows)
    }
    return list(first.values())

"""Refuse facts about months that are not kept, or that are final: they could only make them up in part.

Such a fact is refused with the date that it is about. Payroll closed that month long ago, so what it would
change is for people to settle; nothing is dropped in silence, and no month comes back without its rows.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from attendance_projector.domain.retention import Retention
from attendance_projector.projection.refusals import Reason
from attendance_projector.projection.stored import EventOrTombstone, FactKey, KnownCapture, PendingFact
from attendance_schemas.events import DayOverridden, MatchDecided, PunchAdded, PunchSubmitted


def final_reason(event: EventOrTombstone, retention: Retention) -> Reason | None:
    """Return why a fact comes too late, about a month that is final or not kept; None: it does not."""
    on, counts_from = _about(event, retention)
    if on is None or counts_from is None or on >= counts_from:
        return None
    detail = (
        f"{type(event).__name__} {getattr(event, 'event_id', '')} is about {on}, and such facts count from "
        f"{counts_from} on; settle it by a correction in an open month"
    )
    return Reason("month-no-longer-kept", detail)


def _about(event: EventOrTombstone, retention: Retention) -> tuple[date | None, date | None]:
    """Return the date that a fact is about, and the first on which such facts count; None: any."""
    on, counts_from = _kept_from(event, retention)
    dates = [each for each in (counts_from, retention.earliest_on) if each is not None]
    return on, max(dates, default=None)


def _kept_from(event: EventOrTombstone, retention: Retention) -> tuple[date | None, date | None]:
    match event:
        case MatchDecided():
            return _utc_date(event.occurred_at), retention.decisions_from
        case PunchSubmitted() | PunchAdded():
            return _utc_date(event.occurred_at), retention.facts_from
        case DayOverridden():
            return event.attendance_on, retention.final_before
    return None, None


def still_judged(
    known: Mapping[FactKey, KnownCapture], retention: Retention
) -> Mapping[FactKey, KnownCapture]:
    """Leave out captures whose punches are final: a review of them is recorded and changes nothing."""
    return {
        key: each
        for key, each in known.items()
        if _counts(each.occurred_at, retention.decisions_from, retention)
    }


def still_passed_on(pending: Iterable[PendingFact], retention: Retention) -> list[PendingFact]:
    """Leave out punches by badge that are final: they stay whose they are, whoever gets the badge."""
    return [each for each in pending if _counts(each.occurred_at, retention.facts_from, retention)]


def _counts(at: datetime, counts_from: date | None, retention: Retention) -> bool:
    return all(first is None or _utc_date(at) >= first for first in (counts_from, retention.earliest_on))


def _utc_date(at: datetime) -> date:
    return at.astimezone(UTC).date()

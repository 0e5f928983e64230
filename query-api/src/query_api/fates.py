"""Say what became of a fact of which there is no row: refused, a dead letter, waiting, or never heard of.

Only asked when a query found nothing. A fact that the caller may not see is not known.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from query_api.domain.facts import ToldFate
from query_api.domain.fates import Fate, KindOfFact, why_dead
from query_api.domain.scope import Scope
from query_api.errors import NotApplied
from query_api.ports import FateReader


async def not_applied(
    kind: KindOfFact, fact_id: UUID, scope: Scope, reader: FateReader, now: datetime
) -> NotApplied:
    """Return the error that says what became of a fact."""
    told = await reader.fate(scope, kind.events, fact_id)
    if told is not None and _has_expired(kind, told, now):
        told = replace(told, fate=Fate.DEAD_LETTER, reason="expired")
    name = f"{kind.name} {fact_id}"
    if told is None:
        return NotApplied(kind.name, Fate.UNKNOWN, await _unknown(name, scope, reader))
    message = _message(name, told)
    return NotApplied(kind.name, told.fate, message, since=told.since, reason=told.reason)


def _has_expired(kind: KindOfFact, told: ToldFate, now: datetime) -> bool:
    longest = kind.waits_at_most
    return longest is not None and told.fate is Fate.WAITING and now - told.since > longest


async def _unknown(name: str, scope: Scope, reader: FateReader) -> str:
    as_of = await reader.as_of(scope)
    until = "nothing" if as_of is None else f"what was accepted until {as_of.isoformat(timespec='seconds')}"
    return (
        f"there is no {name} in your organisation and sites. The tables have {until}; check the id. What was "
        "accepted later shows once they have come so far"
    )


def _message(name: str, told: ToldFate) -> str:
    at = told.since.isoformat(timespec="seconds")
    match told.fate:
        case Fate.REFUSED:
            return told.detail or f"{name} is refused: {told.reason}"
        case Fate.DEAD_LETTER:
            return f"{name} counts nothing since {at}: {why_dead(told.reason)}"
    return f"{name} was accepted and has waited for recognition since {at}; ask again later"

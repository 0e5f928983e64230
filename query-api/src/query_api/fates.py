"""Say what became of a fact of which there is no row: refused, a dead letter, waiting, or never heard of.

Only asked when a query found nothing. A fact that the caller may not see is not known.
"""

from uuid import UUID

from query_api.domain.fates import Fate, KindOfFact, why_dead
from query_api.domain.rows import ToldFate
from query_api.domain.scope import Scope
from query_api.errors import NotApplied
from query_api.ports import FateReader


async def not_applied(kind: KindOfFact, fact_id: UUID, scope: Scope, reader: FateReader) -> NotApplied:
    """Return the error that says what became of a fact."""
    told = await reader.fate(scope, kind.events, fact_id)
    name = f"{kind.name} {fact_id}"
    if told is None:
        message = (
            f"no {name} has come here, in your organisation and sites. One that was accepted shows within "
            "seconds; check the id, or send it again under the same id"
        )
        return NotApplied(kind.name, Fate.UNKNOWN, message)
    message = _message(name, told)
    return NotApplied(kind.name, told.fate, message, since=told.since, reason=told.reason)


def _message(name: str, told: ToldFate) -> str:
    at = told.since.isoformat(timespec="seconds")
    match told.fate:
        case Fate.REFUSED:
            return told.detail or f"{name} is refused: {told.reason}"
        case Fate.DEAD_LETTER:
            return f"{name} was set aside at {at}: {why_dead(told.reason)}"
    return f"{name} was accepted and has waited for recognition since {at}; ask again later"

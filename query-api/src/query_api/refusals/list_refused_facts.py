"""List the facts that the rules refused, page by page, newest first."""

from dataclasses import dataclass
from datetime import datetime

from query_api.domain.cursor import near_moment
from query_api.domain.facts import RefusedFact
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.scope import Scope
from query_api.domain.time_range import instant_range
from query_api.ports import ReadModel, RefusedFactKey
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFactQuery:
    """What was asked for, by when it was recorded; `starts_at` inclusive, `ends_at` exclusive."""

    starts_at: datetime
    ends_at: datetime

    def filters(self) -> dict[str, object]:
        """Return what a cursor is bound to."""
        return {
            "list": "refused-facts",
            "from": self.starts_at.timestamp(),
            "to": self.ends_at.timestamp(),
        }


async def list_refused_facts(
    query: RefusedFactQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[RefusedFact]:
    """Return a page of refused facts.

    Raises InvalidRange, InvalidCursor or UnknownOrganisation.
    """
    instants = instant_range(query.starts_at, query.ends_at)
    after = request.after(query.filters(), _key)
    rows = await read_model.refused_facts(scope, instants, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(
        rows,
        request,
        key=lambda row: (row.recorded_at, row.kind, row.fact_id, row.reason),
        filters=query.filters(),
    )


def _key(recorded_at: str, kind: str, fact_id: str, reason: str) -> RefusedFactKey:
    return near_moment(recorded_at), kind, fact_id, reason

"""List the punches in the window of no shift, page by page, in the order in which they occurred."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from query_api.domain.cursor import near_moment
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import UnscheduledPunch
from query_api.domain.scope import Scope
from query_api.domain.time_range import date_range
from query_api.ports import ReadModel, UnscheduledFilter, UnscheduledKey
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class UnscheduledQuery:
    """What was asked for; dates are local to the home site and inclusive."""

    first_on: date
    last_on: date
    site_id: str | None = None
    person_id: str | None = None

    def filters(self) -> dict[str, object]:
        """Return what a cursor is bound to."""
        return {
            "list": "unscheduled",
            "from": self.first_on,
            "to": self.last_on,
            "site": self.site_id,
            "person": self.person_id,
        }


async def list_unscheduled(
    query: UnscheduledQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[UnscheduledPunch]:
    """Return a page of unscheduled punches, ordered by occurred_at, punch_id.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = UnscheduledFilter(
        dates=date_range(query.first_on, query.last_on),
        sites=scope.sites_for(query.site_id),
        person_id=query.person_id,
    )
    after = request.after(query.filters(), _key)
    rows = await read_model.unscheduled(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(rows, request, key=lambda row: (row.occurred_at, row.punch_id), filters=query.filters())


def _key(occurred_at: str, punch_id: str) -> UnscheduledKey:
    return near_moment(occurred_at), UUID(punch_id)

"""List the punches in the window of no shift, page by page, in the order in which they occurred."""

from uuid import UUID

from query_api.attendance.dates_query import DatesQuery
from query_api.domain.cursor import near_moment
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import UnscheduledPunch
from query_api.domain.scope import Scope
from query_api.ports import ReadModel, UnscheduledKey
from query_api.recorded_organisation import explain_nothing

LIST = "unscheduled"


async def list_unscheduled(
    query: DatesQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[UnscheduledPunch]:
    """Return a page of unscheduled punches, ordered by occurred_at, punch_id.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = query.which(scope)
    filters = query.filters(LIST)
    after = request.after(filters, _key)
    rows = await read_model.unscheduled(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(rows, request, key=lambda row: (row.occurred_at, row.punch_id), filters=filters)


def _key(occurred_at: str, punch_id: str) -> UnscheduledKey:
    return near_moment(occurred_at), UUID(punch_id)

"""List what is booked between two local dates because of days of locked periods, in pages."""

from dataclasses import replace

from query_api.attendance.dates_query import DatesQuery
from query_api.domain.cursor import near_day
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import Adjustment
from query_api.domain.scope import Scope
from query_api.ports import AdjustmentKey, ReadModel
from query_api.recorded_organisation import explain_nothing

LIST = "adjustments"


async def list_adjustments(
    query: DatesQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[Adjustment]:
    """Return a page of adjustments, ordered by booked_on, person_id, attendance_on, shift_id.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = query.which(scope)
    filters = query.filters(LIST)
    after = request.after(filters, _key)
    if after is not None:
        which = replace(which, dates=which.dates.starting_at(after[0]))
    rows = await read_model.adjustments(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(
        rows,
        request,
        key=lambda row: (row.booked_on, row.person_id, row.attendance_on, row.shift_id),
        filters=filters,
    )


def _key(booked_on: str, person_id: str, attendance_on: str, shift_id: str) -> AdjustmentKey:
    return near_day(booked_on), person_id, near_day(attendance_on), shift_id

"""List attendance days between two local dates in pages, ordered by attendance_on, person_id, shift_id."""

from dataclasses import dataclass, replace
from datetime import date

from query_api.attendance.dates_query import DatesQuery
from query_api.domain.cursor import near_day
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import AttendanceDay
from query_api.domain.scope import Scope
from query_api.ports import AttendanceFilter, ReadModel
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceQuery(DatesQuery):
    """What was asked for; dates are local and inclusive."""

    status: str | None = None


async def list_attendance(
    query: AttendanceQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[AttendanceDay]:
    """Return a page of attendance days.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    asked = query.which(scope)
    which = AttendanceFilter(
        dates=asked.dates, sites=asked.sites, person_id=asked.person_id, status=query.status
    )
    filters = query.filters("attendance") | {"status": query.status}
    after = request.after(filters, _key)
    if after is not None:
        # Months before the cursor are not read again.
        which = replace(which, dates=which.dates.starting_at(after[0]))
    rows = await read_model.attendance_days(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(
        rows,
        request,
        key=lambda day: (day.attendance_on, day.person_id, day.shift_id),
        filters=filters,
    )


def _key(attendance_on: str, person_id: str, shift_id: str) -> tuple[date, str, str]:
    return near_day(attendance_on), person_id, shift_id

"""List what is booked between two local dates because of days of locked periods, in pages."""

from dataclasses import dataclass, replace
from datetime import date

from query_api.domain.cursor import near_day
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import Adjustment
from query_api.domain.scope import Scope
from query_api.domain.time_range import date_range
from query_api.ports import AdjustmentFilter, AdjustmentKey, ReadModel
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentQuery:
    """What was asked for; dates are local, inclusive, and those on which adjustments are booked."""

    first_on: date
    last_on: date
    site_id: str | None = None
    person_id: str | None = None

    def filters(self) -> dict[str, object]:
        """Return what a cursor is bound to."""
        return {
            "list": "adjustments",
            "from": self.first_on,
            "to": self.last_on,
            "site": self.site_id,
            "person": self.person_id,
        }


async def list_adjustments(
    query: AdjustmentQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[Adjustment]:
    """Return a page of adjustments, ordered by booked_on, person_id, attendance_on, shift_id.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = AdjustmentFilter(
        dates=date_range(query.first_on, query.last_on),
        sites=scope.sites_for(query.site_id),
        person_id=query.person_id,
    )
    after = request.after(query.filters(), _key)
    if after is not None:
        which = replace(which, dates=which.dates.starting_at(after[0]))
    rows = await read_model.adjustments(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(
        rows,
        request,
        key=lambda row: (row.booked_on, row.person_id, row.attendance_on, row.shift_id),
        filters=query.filters(),
    )


def _key(booked_on: str, person_id: str, attendance_on: str, shift_id: str) -> AdjustmentKey:
    return near_day(booked_on), person_id, near_day(attendance_on), shift_id

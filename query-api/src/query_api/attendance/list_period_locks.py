"""List the locks of periods that reach into a range of local dates, in pages."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from query_api.domain.cursor import near_day
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import PeriodLock
from query_api.domain.scope import Scope
from query_api.domain.time_range import date_range
from query_api.ports import PeriodLockFilter, PeriodLockKey, ReadModel
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLockQuery:
    """What was asked for; dates are local, inclusive, and a lock that covers any of them is shown."""

    first_on: date
    last_on: date
    site_id: str | None = None

    def filters(self) -> dict[str, object]:
        """Return what a cursor is bound to."""
        return {"list": "period-locks", "from": self.first_on, "to": self.last_on, "site": self.site_id}


async def list_period_locks(
    query: PeriodLockQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[PeriodLock]:
    """Return a page of locks, ordered by starts_on, lock_id.

    A lock of the whole organisation covers every site, and everybody who may see one of them is shown it.
    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = PeriodLockFilter(
        dates=date_range(query.first_on, query.last_on), sites=scope.sites_for(query.site_id)
    )
    after = request.after(query.filters(), _key)
    rows = await read_model.period_locks(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(rows, request, key=lambda row: (row.starts_on, row.lock_id), filters=query.filters())


def _key(starts_on: str, lock_id: str) -> PeriodLockKey:
    return near_day(starts_on), UUID(lock_id)

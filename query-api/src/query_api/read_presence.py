"""Read who is in now: people whose last in has no out, within the last 16 hours."""

from dataclasses import dataclass
from datetime import datetime

from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import PresentPerson, SitePresence
from query_api.domain.scope import Scope
from query_api.ports import ReadModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Counts over all sites asked for, and one page of the people behind them."""

    at: datetime
    sites: list[SitePresence]
    people: Page[PresentPerson]


async def read_presence(
    *, site_id: str | None, request: PageRequest, scope: Scope, read_model: ReadModel, now: datetime
) -> Presence:
    """Return who is in at `now`. Raises InvalidCursor or SiteNotAllowed."""
    filters = {"list": "presence", "site": site_id}
    after = request.after(filters, str)
    sites = scope.sites_for(site_id)
    counts = await read_model.presence_counts(scope, now=now, sites=sites)
    rows = await read_model.present_people(
        scope, now=now, sites=sites, after=after, limit=request.fetch_count
    )
    return Presence(
        at=now,
        sites=counts,
        people=page_of(rows, request, key=lambda person: (person.person_id,), filters=filters),
    )

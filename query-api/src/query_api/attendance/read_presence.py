"""Read who is in now: people whose last in has no out, within the last 16 hours.

From the cache when it is whole, else from the read model: the same answer. Names always come from the read
model; while that is away, presence from the cache is told without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from attendance_schemas.presence import OpenDay
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.presence import (
    NO_NAMES,
    named_people,
    named_sites,
    page_of_people,
    people_per_site,
    present_days,
)
from query_api.domain.rows import PresentPerson, SitePresence
from query_api.domain.scope import Scope
from query_api.errors import ReadModelUnavailable
from query_api.ports import PresenceCache, ReadModel
from query_api.recorded_organisation import explain_nothing

People = tuple[list[SitePresence], list[PresentPerson]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Counts over all sites asked for, and one page of the people behind them."""

    at: datetime
    sites: list[SitePresence]
    people: Page[PresentPerson]


async def read_presence(
    *,
    site_id: str | None,
    request: PageRequest,
    scope: Scope,
    read_model: ReadModel,
    cache: PresenceCache,
    now: datetime,
) -> Presence:
    """Return who is in at `now`. Raises InvalidCursor, SiteNotAllowed or UnknownOrganisation."""
    filters = {"list": "presence", "site": site_id}
    after = request.after(filters, str)
    sites = scope.sites_for(site_id)
    open_days = await cache.open_days(scope.org_id)
    if open_days is None:
        counts = await read_model.presence_counts(scope, now=now, sites=sites)
        rows = await read_model.present_people(
            scope, now=now, sites=sites, after=after, limit=request.fetch_count
        )
    else:
        days = present_days(open_days, now=now, sites=sites)
        page = page_of_people(days, after=after, limit=request.fetch_count)
        counts, rows = await _named(scope, people_per_site(days), page, read_model)
    if not counts:
        await _explain_nobody(scope, read_model, from_cache=open_days is not None)
    return Presence(
        at=now,
        sites=counts,
        people=page_of(rows, request, key=lambda person: (person.person_id,), filters=filters),
    )


async def _explain_nobody(scope: Scope, read_model: ReadModel, *, from_cache: bool) -> None:
    try:
        await explain_nothing(None, scope, read_model)
    except ReadModelUnavailable:
        if not from_cache:
            raise
        # The cache answers without a database; whether the organisation is recorded is not known then.


async def _named(
    scope: Scope, counts: dict[str, int], page: Sequence[OpenDay], read_model: ReadModel
) -> People:
    try:
        names = await read_model.presence_names(
            scope, people=[day.person_id for day in page], sites=list(counts)
        )
    except ReadModelUnavailable:
        names = NO_NAMES
    return named_sites(counts, names), named_people(page, names)

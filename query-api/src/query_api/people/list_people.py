"""List the people of an organisation, page by page, in the order of person_id."""

from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import Person
from query_api.domain.scope import Scope
from query_api.ports import ReadModel
from query_api.recorded_organisation import explain_nothing


async def list_people(
    *, site_id: str | None, text: str | None, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[Person]:
    """Return a page of people whose name contains `text`, or whose id or badge is it.

    Raises InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    filters = {"list": "people", "site": site_id, "q": text}
    after = request.after(filters, str)
    rows = await read_model.people(
        scope, sites=scope.sites_for(site_id), text=text, after=after, limit=request.fetch_count
    )
    await explain_nothing(rows, scope, read_model)
    return page_of(rows, request, key=lambda person: (person.person_id,), filters=filters)

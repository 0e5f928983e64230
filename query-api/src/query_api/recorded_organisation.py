"""Tell an organisation that is not recorded from one that has no rows.

Only asked when a query found nothing, so that an answer with rows costs no further query. It speaks of the
token's own organisation alone, and tells nothing about others.
"""

from collections.abc import Sized

from query_api.domain.scope import Scope
from query_api.errors import UnknownOrganisation
from query_api.ports import ReadModel


def not_recorded(scope: Scope) -> UnknownOrganisation:
    """Return the error, with what to do next."""
    return UnknownOrganisation(
        f"no organisation {scope.org_id} is recorded; check the claim `tenant` of the token, "
        f"or let ops record it at ingest: PUT /v1/directory/organisations/{scope.org_id}"
    )


async def explain_nothing(found: Sized | None, scope: Scope, read_model: ReadModel) -> None:
    """Raise UnknownOrganisation when nothing was found because the caller's organisation is not recorded."""
    if not found and await read_model.organisation(scope) is None:
        raise not_recorded(scope)

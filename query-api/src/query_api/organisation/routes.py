"""The route of the caller's organisation."""

from fastapi import APIRouter

from query_api.domain.rows import OrganisationDescription
from query_api.http.access import ReaderScope
from query_api.http.examples import ORGANISATION
from query_api.http.problems import PROBLEMS, UNRECORDED, example
from query_api.http.services import ServicesOf
from query_api.organisation.read_organisation import read_organisation

router = APIRouter(prefix="/v1", tags=["organisation"], responses=PROBLEMS)


@router.get(
    "/organisation",
    summary="What things are called here",
    responses=example(ORGANISATION) | UNRECORDED,
)
async def get_organisation(scope: ReaderScope, services: ServicesOf) -> OrganisationDescription:
    """The organisation of the token: its type, what things and roles are called, the policy of the type."""
    return await read_organisation(scope=scope, read_model=services.read_model, org_types=services.org_types)

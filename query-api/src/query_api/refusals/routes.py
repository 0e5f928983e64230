"""The route of refused facts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from query_api.domain.facts import RefusedFact
from query_api.http.access import RefusalScope
from query_api.http.examples import REFUSED_FACT_PAGE
from query_api.http.pages import PageAnswer, PageParameters, page_answer
from query_api.http.problems import PROBLEMS, UNRECORDED, example
from query_api.http.services import ServicesOf
from query_api.refusals.list_refused_facts import RefusedFactQuery, list_refused_facts
from service_kit.fields import NearInstant

router = APIRouter(prefix="/v1", tags=["refusals"], responses=PROBLEMS)


class RefusedFactParameters(PageParameters):
    """Which facts, by when ingest recorded them. Instants carry an offset."""

    starts_at: NearInstant = Field(
        alias="from", description="First instant, inclusive.", examples=["2026-03-02T00:00:00Z"]
    )
    ends_at: NearInstant = Field(
        alias="to",
        description="End, exclusive; at most 93 days after `from`.",
        examples=["2026-03-03T00:00:00Z"],
    )


@router.get("/refused-facts", summary="Refused facts", responses=example(REFUSED_FACT_PAGE) | UNRECORDED)
async def get_refused_facts(
    request: Request,
    response: Response,
    parameters: Annotated[RefusedFactParameters, Query()],
    scope: RefusalScope,
    services: ServicesOf,
) -> PageAnswer[RefusedFact]:
    """List accepted facts that count nothing, since the rules refuse them, newest first, with the reason.

    Roles hr and ops with a token for all sites see those of the whole organisation; with one for some sites,
    and supervisors, those that they made themselves.
    """
    query = RefusedFactQuery(starts_at=parameters.starts_at, ends_at=parameters.ends_at)
    page = await list_refused_facts(query, parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)

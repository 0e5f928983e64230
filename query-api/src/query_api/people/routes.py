"""Routes of people and of their enrolments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from query_api.domain.rows import Enrolment, Person
from query_api.http.access import ReaderScope
from query_api.http.examples import ENROLMENT, PEOPLE_PAGE
from query_api.http.pages import PageAnswer, PageParameters, Text, page_answer
from query_api.http.problems import PROBLEMS, UNRECORDED, example
from query_api.http.services import ServicesOf
from query_api.people.list_people import list_people
from query_api.people.read_enrolment import read_enrolment
from service_kit.http.problems import described

router = APIRouter(prefix="/v1", tags=["people"], responses=PROBLEMS)


class PeopleParameters(PageParameters):
    """Which people."""

    site: Text | None = Field(default=None, description="Only people of this home site.")
    q: Text | None = Field(
        default=None, description="Part of the name in any case, or the whole id or badge."
    )


@router.get("/people", summary="People", responses=example(PEOPLE_PAGE) | UNRECORDED)
async def get_people(
    request: Request,
    response: Response,
    parameters: Annotated[PeopleParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[Person]:
    """People of the organisation, in the order of person_id."""
    page = await list_people(
        site_id=parameters.site,
        text=parameters.q,
        request=parameters.page_request(),
        scope=scope,
        read_model=services.read_model,
    )
    return page_answer(request, response, page)


@router.get(
    "/enrolments/{enrolment_id}",
    summary="What became of an enrolment",
    responses=example(ENROLMENT)
    | described(
        404,
        "`enrolment-waiting`: accepted, and not decided yet; see `since` and `Retry-After`. "
        "`enrolment-dead-letter`: it cannot be decided; the detail says why. `unknown-enrolment`, "
        "`unknown-organisation`.",
    ),
)
async def get_enrolment(enrolment_id: UUID, scope: ReaderScope, services: ServicesOf) -> Enrolment:
    """Which photos became templates, and why others did not."""
    return await read_enrolment(enrolment_id, scope=scope, now=services.now(), read_model=services.read_model)

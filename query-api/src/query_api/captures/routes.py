"""Routes of captures: one as soon as it is decided, and lists for reviewers."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from attendance_schemas.events import Outcome
from query_api.captures.await_decision import DecisionSources, await_decision
from query_api.captures.list_captures import CaptureQuery, list_captures
from query_api.domain.rows import Capture
from query_api.http.access import CaptureScope, ReaderScope
from query_api.http.examples import CAPTURE, CAPTURE_PAGE
from query_api.http.pages import PageAnswer, PageParameters, Parameters, Text, page_answer
from query_api.http.problems import PROBLEMS, UNRECORDED, example
from query_api.http.services import ServicesOf
from service_kit.fields import NearInstant
from service_kit.http.problems import described

LONGEST_WAIT_SECONDS = 30

router = APIRouter(prefix="/v1", tags=["captures"], responses=PROBLEMS)


class WaitParameters(Parameters):
    """How long to wait for a decision."""

    wait: float = Field(
        default=0, ge=0, le=LONGEST_WAIT_SECONDS, allow_inf_nan=False, description="Seconds to wait at most."
    )


class CaptureParameters(PageParameters):
    """Which captures. Instants carry an offset (`Z`, or `+05:30` written as `%2B05:30`)."""

    starts_at: NearInstant = Field(
        alias="from", description="First instant, inclusive.", examples=["2026-03-02T00:00:00Z"]
    )
    ends_at: NearInstant = Field(
        alias="to",
        description="End, exclusive; at most 93 days after `from`.",
        examples=["2026-03-03T00:00:00Z"],
    )
    outcome: Outcome | None = Field(default=None, description="Only this outcome.")
    site: Text | None = Field(default=None, description="Only devices of this site.")
    device: Text | None = Field(default=None, description="Only this device.")
    person: Text | None = Field(
        default=None, description="Only this person_id; with the outcome REVIEW: the best candidate."
    )
    reviewed: bool | None = Field(
        default=None,
        description="Only captures with, or without, a review that counts: `outcome=REVIEW&reviewed=false` "
        "is what is left to review.",
    )


@router.get(
    "/captures/{capture_id}",
    summary="What was decided about a capture",
    responses=example(CAPTURE)
    | described(
        404,
        "`capture-waiting`: accepted, and not decided yet; see `since` and `Retry-After`. "
        "`capture-refused`: it counts nothing, and `capture-dead-letter`: it cannot be decided; the detail "
        "says why. `unknown-capture`: none of this id was accepted.",
    ),
)
async def get_capture(
    capture_id: UUID,
    parameters: Annotated[WaitParameters, Query()],
    scope: CaptureScope,
    services: ServicesOf,
) -> Capture:
    """Wait for the decision at most `wait` seconds. A device sees its own captures, with less."""
    sources = DecisionSources(
        reader=services.read_model,
        feed=services.decisions,
        now=services.now,
        monotonic=services.monotonic,
        recheck=services.recheck,
    )
    return await await_decision(
        capture_id, scope=scope, wait=timedelta(seconds=parameters.wait), sources=sources
    )


@router.get("/captures", summary="Decided captures", responses=example(CAPTURE_PAGE) | UNRECORDED)
async def get_captures(
    request: Request,
    response: Response,
    parameters: Annotated[CaptureParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[Capture]:
    """Decided captures between two instants, newest first."""
    query = CaptureQuery(
        starts_at=parameters.starts_at,
        ends_at=parameters.ends_at,
        outcome=parameters.outcome,
        site_id=parameters.site,
        device_id=parameters.device,
        person_id=parameters.person,
        reviewed=parameters.reviewed,
    )
    page = await list_captures(query, parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)

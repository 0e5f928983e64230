"""POST /v1/corrections/KIND and /v1/periods/KIND: what people correct, the periods that payroll closes."""

from fastapi import APIRouter, Request

from ingest.corrections.record_correction import CorrectionDesk, record_correction
from ingest.corrections.record_period import record_period
from ingest.domain.correction import CORRECTION_KINDS, CorrectionKind
from ingest.domain.period import PERIOD_KINDS, PeriodKind, identity_of
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS, json_body
from ingest.http.measuring import measured
from ingest.http.models import CorrectionAnswer, PeriodAnswer
from ingest.http.uploads import read_document
from ingest.metrics import IngestMetrics
from service_kit.http.bearer import Credentials

CORRECTION, PERIOD = "correction", "period"
DOCUMENT_BYTES = 16 * 1024


def correction_routes(door: Doorkeeper, desk: CorrectionDesk, metrics: IngestMetrics) -> APIRouter:
    """Return one route for every kind of correction."""
    router = APIRouter(prefix="/v1/corrections", tags=["corrections"])
    for kind in CORRECTION_KINDS.values():
        _add_correction(router, kind, door, desk, metrics)
    return router


def _add_correction(
    router: APIRouter, kind: CorrectionKind, door: Doorkeeper, desk: CorrectionDesk, metrics: IngestMetrics
) -> None:
    async def post(request: Request, credentials: Credentials) -> CorrectionAnswer:
        with measured(metrics, CORRECTION) as result:
            actor = await door.person(credentials)
            document = await read_document(request, kind.document, DOCUMENT_BYTES)
            event, resent = await record_correction(kind, document, actor, desk)
            result.outcome = "resent" if resent else "accepted"
        return CorrectionAnswer(
            correction_id=document.correction_id,
            recorded_at=event.recorded_at,
            made_by=event.authority.subject,
        )

    router.add_api_route(
        f"/{kind.path}",
        post,
        methods=["POST"],
        status_code=202,
        response_model=CorrectionAnswer,
        responses=PROBLEMS,
        openapi_extra=json_body(kind.document),
        name=f"post_{kind.path}",
        summary=kind.title,
        description=f"{kind.document.__doc__} Roles: supervisor, hr. The same correction_id with the same "
        "content gives the same answer, with another: 409.",
    )


def period_routes(door: Doorkeeper, desk: CorrectionDesk, metrics: IngestMetrics) -> APIRouter:
    """Return one route for closing and one for reopening."""
    router = APIRouter(prefix="/v1/periods", tags=["periods"])
    for kind in PERIOD_KINDS.values():
        _add_period(router, kind, door, desk, metrics)
    return router


def _add_period(
    router: APIRouter, kind: PeriodKind, door: Doorkeeper, desk: CorrectionDesk, metrics: IngestMetrics
) -> None:
    async def post(request: Request, credentials: Credentials) -> PeriodAnswer:
        with measured(metrics, PERIOD) as result:
            actor = await door.person(credentials)
            document = await read_document(request, kind.document, DOCUMENT_BYTES)
            event, resent = await record_period(kind, document, actor, desk)
            result.outcome = "resent" if resent else "accepted"
        return PeriodAnswer(
            id=identity_of(document), recorded_at=event.recorded_at, made_by=event.authority.subject
        )

    router.add_api_route(
        f"/{kind.path}",
        post,
        methods=["POST"],
        status_code=202,
        response_model=PeriodAnswer,
        responses=PROBLEMS,
        openapi_extra=json_body(kind.document),
        name=f"post_period_{kind.path}",
        summary=kind.title,
        description=f"{kind.document.__doc__} Role: hr. The same id with the same content gives the same "
        "answer, with another: 409.",
    )

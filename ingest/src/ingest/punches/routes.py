"""POST /v1/punches: the equal way without a face, for devices and for supervisors."""

from fastapi import APIRouter, Request

from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS, json_body
from ingest.http.measuring import measured
from ingest.http.models import PunchAnswer, PunchDocument, SupervisedPunchDocument
from ingest.http.uploads import read_document
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import AcceptedPunch, PunchDesk, accept_device_punch, accept_supervised_punch
from service_kit.http.bearer import Credentials
from service_kit.observing.logs import get_logger

OPERATION = "punch"
DOCUMENT_BYTES = 16 * 1024

log = get_logger(__name__)


def punch_routes(door: Doorkeeper, desk: PunchDesk, metrics: IngestMetrics) -> APIRouter:
    """Return the routes of punches."""
    router = APIRouter(prefix="/v1/punches", tags=["punches"])
    _add_devices(router, door, desk, metrics)
    _add_supervised(router, door, desk, metrics)
    return router


def _add_devices(router: APIRouter, door: Doorkeeper, desk: PunchDesk, metrics: IngestMetrics) -> None:
    @router.post(
        "",
        status_code=202,
        response_model=PunchAnswer,
        responses=PROBLEMS,
        openapi_extra=json_body(PunchDocument),
        summary="Send a punch by badge, PIN or QR code",
    )
    async def post_punch(request: Request, credentials: Credentials) -> PunchAnswer:
        """Accept a punch of a device; answers and retries are those of captures.

        A badge that no person has yet is kept; it counts once the directory says whose it is.
        """
        with measured(metrics, OPERATION) as result:
            device = await door.device(credentials)
            document = await read_document(request, PunchDocument, DOCUMENT_BYTES)
            accepted = await accept_device_punch(document.claim(), device, desk)
            result.outcome = "resent" if accepted.resent else "accepted"
        if accepted.acknowledged_sequence is None:
            metrics.unknown_sequences.inc()
        return _answer(accepted, metrics)


def _add_supervised(router: APIRouter, door: Doorkeeper, desk: PunchDesk, metrics: IngestMetrics) -> None:
    @router.post(
        "/supervised",
        status_code=202,
        response_model=PunchAnswer,
        responses=PROBLEMS,
        openapi_extra=json_body(SupervisedPunchDocument),
        summary="Punch for a person",
    )
    async def post_supervised(request: Request, credentials: Credentials) -> PunchAnswer:
        """Accept what a supervisor says: the person was there. Roles: supervisor, hr."""
        with measured(metrics, OPERATION) as result:
            actor = await door.person(credentials)
            document = await read_document(request, SupervisedPunchDocument, DOCUMENT_BYTES)
            accepted = await accept_supervised_punch(document.claim(), document.site_id, actor, desk)
            result.outcome = "resent" if accepted.resent else "accepted"
        return _answer(accepted, metrics)


def _answer(accepted: AcceptedPunch, metrics: IngestMetrics) -> PunchAnswer:
    event = accepted.event
    if not accepted.resent:
        metrics.time_trust.labels(event.time_trust.value).inc()
    # Neither the badge nor the person: they name somebody.
    log.info(
        "punch accepted",
        punch_id=str(event.punch_id),
        method=event.method.value,
        device_id=event.device_id,
        device_sequence=event.device_sequence,
        time_trust=event.time_trust.value,
        resent=accepted.resent,
    )
    return PunchAnswer(
        punch_id=event.punch_id,
        received_at=event.recorded_at,
        occurred_at=event.occurred_at,
        time_trust=event.time_trust,
        device_sequence_acknowledged=accepted.acknowledged_sequence,
    )

"""POST /v1/captures: the protocol of devices."""

from typing import Any

from fastapi import APIRouter, Request

from ingest.captures.accept_capture import AcceptedCapture, CaptureDesk, accept_capture
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS, multipart
from ingest.http.measuring import measured
from ingest.http.models import CaptureAnswer, CaptureMetadata
from ingest.http.uploads import ENVELOPE_BYTES, file_of, metadata_of, only, read_form
from ingest.metrics import IngestMetrics
from service_kit.http.bearer import Credentials
from service_kit.observing.logs import get_logger

OPERATION = "capture"
# The metadata may come as a field or as a file.
FILES = 2
EXAMPLE: dict[str, Any] = {
    "capture_id": "019cad1e-5a10-7c3e-9f5a-0d4a6e1b2c3d",
    "device_sequence": 1842,
    "captured_at": "2026-03-02T08:01:06.950+05:30",
    "device_now": "2026-03-02T08:01:07.600+05:30",
    "monotonic_ms": 86_400_120,
    "boot_id": "3f2c",
    "monotonic_now_ms": 86_400_770,
    "boot_id_now": "3f2c",
    "direction": "IN",
    "claimed_badge": None,
}

log = get_logger(__name__)


def capture_routes(
    door: Doorkeeper, desk: CaptureDesk, metrics: IngestMetrics, *, query_api_url: str
) -> APIRouter:
    """Return the routes of devices."""
    router = APIRouter(prefix="/v1", tags=["devices"])
    limit = desk.limits.size_bytes + ENVELOPE_BYTES

    @router.post(
        "/captures",
        status_code=202,
        response_model=CaptureAnswer,
        responses=PROBLEMS,
        openapi_extra=multipart(CaptureMetadata, EXAMPLE, files={"image": "binary"}),
        summary="Send a capture",
    )
    async def post_capture(request: Request, credentials: Credentials) -> CaptureAnswer:
        """Accept an image; on 202 the device may delete its copy.

        - **202**: kept. The same capture_id with the same image gives the same answer.
        - **400, 409, 413, 415, 422**: will never be accepted like this; do not retry.
        - **409 `sequence-in-use`**: count on after `highest_device_sequence`, and send it with a new number.
        - **401, 403**: stop and tell somebody.
        - **408**: it came in too slowly; keep the capture and retry.
        - **503** with Retry-After: keep the capture and retry, with exponential backoff and full jitter.
        """
        with measured(metrics, OPERATION) as result:
            device = await door.device(credentials)
            async with read_form(request, limit=limit, files=FILES) as form:
                metadata = await metadata_of(form, CaptureMetadata)
                image = await file_of(only(form, "image"), "image")
            accepted = await accept_capture(metadata.claim(), device, image, desk)
            result.outcome = "resent" if accepted.resent else "accepted"
        _count(metrics, accepted, len(image))
        return CaptureAnswer(
            capture_id=accepted.event.capture_id,
            received_at=accepted.event.recorded_at,
            occurred_at=accepted.event.occurred_at,
            time_trust=accepted.event.time_trust,
            status_url=f"{query_api_url}/v1/captures/{accepted.event.capture_id}",
            device_sequence_acknowledged=accepted.acknowledged_sequence,
        )

    return router


def _count(metrics: IngestMetrics, accepted: AcceptedCapture, size_bytes: int) -> None:
    event = accepted.event
    metrics.image_bytes.inc(size_bytes)
    if accepted.acknowledged_sequence is None:
        metrics.unknown_sequences.inc()
    if not accepted.resent:
        metrics.time_trust.labels(event.time_trust.value).inc()
    log.info(
        "capture accepted",
        capture_id=str(event.capture_id),
        device_id=event.device_id,
        device_sequence=event.device_sequence,
        time_trust=event.time_trust.value,
        resent=accepted.resent,
    )

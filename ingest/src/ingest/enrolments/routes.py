"""POST /v1/enrolments: photos of a person, for recognition to learn from."""

from typing import Any

from fastapi import APIRouter, Request

from ingest.domain.enrolment import MAXIMUM_PHOTOS
from ingest.enrolments.request_enrolment import EnrolmentDesk, request_enrolment
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS, multipart
from ingest.http.measuring import measured
from ingest.http.models import EnrolmentAnswer, EnrolmentMetadata
from ingest.http.uploads import file_of, metadata_of, read_form
from ingest.metrics import IngestMetrics
from service_kit.http.bearer import Credentials
from service_kit.http.problems import Problem

OPERATION = "enrolment"
EXAMPLE: dict[str, Any] = {
    "person_id": "p-1001",
    "consent_reference": "hr/consents/2026/p-1001.pdf",
    "enrolment_id": "6b1f7f0e-3c55-4a3a-8a53-6f6c1d1f5e11",
}


def enrolment_routes(
    door: Doorkeeper, desk: EnrolmentDesk, metrics: IngestMetrics, *, query_api_url: str, limit: int
) -> APIRouter:
    """Return the route of enrolments; `limit` is the size of a whole request in bytes."""
    router = APIRouter(prefix="/v1", tags=["enrolments"])

    @router.post(
        "/enrolments",
        status_code=202,
        response_model=EnrolmentAnswer,
        responses=PROBLEMS,
        openapi_extra=multipart(EnrolmentMetadata, EXAMPLE, files={"photos": "binaries"}),
        summary="Enrol a person",
    )
    async def post_enrolment(request: Request, credentials: Credentials) -> EnrolmentAnswer:
        """Store one to ten photos of a person and ask for templates of them. Roles: hr, ops.

        Three photos of different days serve best. The same enrolment_id again gives the same answer.
        """
        with measured(metrics, OPERATION) as result:
            actor = await door.person(credentials)
            async with read_form(request, limit=limit, files=MAXIMUM_PHOTOS + 1) as form:
                metadata = await metadata_of(form, EnrolmentMetadata)
                photos = [await file_of(part, "photos") for part in form.getlist("photos")]
            if not 1 <= len(photos) <= MAXIMUM_PHOTOS:
                raise Problem(
                    422,
                    "invalid-request",
                    "The request is not valid",
                    f"Send 1 to {MAXIMUM_PHOTOS} parts photos, not {len(photos)}",
                )
            event = await request_enrolment(metadata.claim(), actor, photos, desk)
            result.outcome = "accepted"
        metrics.image_bytes.inc(sum(map(len, photos)))
        return EnrolmentAnswer(
            enrolment_id=event.enrolment_id, status_url=f"{query_api_url}/v1/enrolments/{event.enrolment_id}"
        )

    return router

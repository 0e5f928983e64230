"""POST /v1/enrolments: photos for recognition to learn from; DELETE /v1/people/ID/biometrics: forget them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from ingest.domain.enrolment import MAXIMUM_PHOTOS
from ingest.domain.fields import Identifier
from ingest.enrolments.erase_biometrics import ErasureDesk, erase_biometrics
from ingest.enrolments.request_enrolment import EnrolmentDesk, request_enrolment
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS, multipart
from ingest.http.measuring import measured
from ingest.http.models import EnrolmentAnswer, EnrolmentMetadata, ErasureAnswer
from ingest.http.uploads import file_of, metadata_of, read_form
from ingest.metrics import IngestMetrics
from service_kit.http.bearer import Credentials
from service_kit.http.problems import Problem

ENROLMENT, ERASURE = "enrolment", "erasure"
EXAMPLE: dict[str, Any] = {
    "person_id": "p-1001",
    "consent_reference": "hr/consents/2026/p-1001.pdf",
    "enrolment_id": "6b1f7f0e-3c55-4a3a-8a53-6f6c1d1f5e11",
}
PersonId = Annotated[Identifier, Path(description="letters, digits, dot, dash, underscore; at most 64")]


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
        with measured(metrics, ENROLMENT) as result:
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


def erasure_routes(door: Doorkeeper, desk: ErasureDesk, metrics: IngestMetrics) -> APIRouter:
    """Return the routes about people that are no directory records."""
    router = APIRouter(prefix="/v1/people", tags=["people"])

    @router.delete(
        "/{person_id}/biometrics",
        status_code=202,
        response_model=ErasureAnswer,
        responses=PROBLEMS,
        summary="Erase a person's biometrics",
    )
    async def delete_biometrics(person_id: PersonId, credentials: Credentials) -> ErasureAnswer:
        """Erase the templates of a person and the keys that make copies of them readable. Role: hr.

        What was enrolled, or asked to be enrolled, until now is erased; a request from before that is sent
        again does not bring it back. To enrol the person later, request it with a new enrolment_id. On 202
        the erasure is kept and no outage stops it; workers need about a second.
        """
        with measured(metrics, ERASURE) as result:
            actor = await door.person(credentials)
            event = await erase_biometrics(person_id, actor, desk)
            result.outcome = "accepted"
        return ErasureAnswer(erasure_id=event.erasure_id, requested_at=event.occurred_at)

    return router

"""DELETE /v1/people/ID/biometrics: the right to be forgotten by recognition."""

from typing import Annotated

from fastapi import APIRouter, Path

from ingest.domain.identifiers import ID_PATTERN
from ingest.enrolments.erase_biometrics import ErasureDesk, erase_biometrics
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import PROBLEMS
from ingest.http.measuring import measured
from ingest.http.models import ErasureAnswer
from ingest.metrics import IngestMetrics
from service_kit.http.bearer import Credentials

OPERATION = "erasure"
PersonId = Annotated[
    str, Path(pattern=ID_PATTERN, description="letters, digits, dot, dash, underscore; at most 64")
]


def people_routes(door: Doorkeeper, desk: ErasureDesk, metrics: IngestMetrics) -> APIRouter:
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
        the erasure is kept and will be done, whatever fails from now on; workers need about a second.
        """
        with measured(metrics, OPERATION) as result:
            actor = await door.person(credentials)
            event = await erase_biometrics(person_id, actor, desk)
            result.outcome = "accepted"
        return ErasureAnswer(erasure_id=event.erasure_id, requested_at=event.occurred_at)

    return router

"""Read what became of an enrolment."""

from uuid import UUID

from query_api.domain.rows import Enrolment
from query_api.domain.scope import Scope
from query_api.errors import UnknownEnrolment
from query_api.ports import ReadModel


async def read_enrolment(enrolment_id: UUID, *, scope: Scope, read_model: ReadModel) -> Enrolment:
    """Return a decided enrolment. Raises UnknownEnrolment while it is undecided, too."""
    enrolment = await read_model.enrolment(scope, enrolment_id)
    if enrolment is None:
        raise UnknownEnrolment(
            f"no decision on enrolment {enrolment_id} in your organisation and sites: "
            "it waits for recognition, or the id is unknown"
        )
    return enrolment

"""Read what became of an enrolment."""

from uuid import UUID

from query_api.domain.rows import Enrolment
from query_api.domain.scope import Scope
from query_api.errors import UnknownEnrolment
from query_api.ports import ReadModel
from query_api.recorded_organisation import explain_nothing


async def read_enrolment(enrolment_id: UUID, *, scope: Scope, read_model: ReadModel) -> Enrolment:
    """Return a decided enrolment.

    Raises UnknownEnrolment, also while it is undecided, or UnknownOrganisation.
    """
    enrolment = await read_model.enrolment(scope, enrolment_id)
    if enrolment is None:
        await explain_nothing(None, scope, read_model)
        raise UnknownEnrolment(
            f"no decision on enrolment {enrolment_id} in your organisation and sites: "
            "it waits for recognition, or the id is unknown"
        )
    return enrolment

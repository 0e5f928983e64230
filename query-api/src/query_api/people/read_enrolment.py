"""Read what became of an enrolment."""

from datetime import datetime
from uuid import UUID

from query_api.domain.fates import ENROLMENT
from query_api.domain.rows import Enrolment
from query_api.domain.scope import Scope
from query_api.fates import not_applied
from query_api.ports import ReadModel
from query_api.recorded_organisation import explain_nothing


async def read_enrolment(
    enrolment_id: UUID, *, scope: Scope, now: datetime, read_model: ReadModel
) -> Enrolment:
    """Return a decided enrolment.

    Raises NotApplied, which says why there is none, or UnknownOrganisation.
    """
    enrolment = await read_model.enrolment(scope, enrolment_id)
    if enrolment is None:
        await explain_nothing(None, scope, read_model)
        raise await not_applied(ENROLMENT, enrolment_id, scope, read_model, now)
    return enrolment

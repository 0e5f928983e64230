"""Read what became of a punch, a correction or an erasure. Each raises NotApplied or UnknownOrganisation."""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from query_api.domain.facts import Correction, Erasure, Punch
from query_api.domain.fates import CORRECTION, ERASURE, PUNCH, KindOfFact
from query_api.domain.scope import Scope
from query_api.domain.time_range import kept_range
from query_api.fates import not_applied
from query_api.ports import ReadModel
from query_api.recorded_organisation import explain_nothing

Row = TypeVar("Row")


async def read_punch(punch_id: UUID, *, scope: Scope, now: datetime, read_model: ReadModel) -> Punch:
    """Return a punch without a face; a device is not told whose it is."""
    found = await read_model.punch(scope, punch_id, kept_range(now))
    punch = await _found(found, PUNCH, punch_id, scope, now, read_model)
    return punch if scope.device_id is None else replace(punch, person_id=None, display_name=None)


async def read_correction(
    correction_id: UUID, *, scope: Scope, now: datetime, read_model: ReadModel
) -> Correction:
    """Return a correction, review or lock that counts."""
    found = await read_model.correction(scope, correction_id, kept_range(now))
    return await _found(found, CORRECTION, correction_id, scope, now, read_model)


async def read_erasure(erasure_id: UUID, *, scope: Scope, now: datetime, read_model: ReadModel) -> Erasure:
    """Return an erasure and its state."""
    found = await read_model.erasure(scope, erasure_id)
    return await _found(found, ERASURE, erasure_id, scope, now, read_model)


async def _found(
    row: Row | None, kind: KindOfFact, fact_id: UUID, scope: Scope, now: datetime, read_model: ReadModel
) -> Row:
    if row is None:
        await explain_nothing(None, scope, read_model)
        raise await not_applied(kind, fact_id, scope, read_model, now)
    return row

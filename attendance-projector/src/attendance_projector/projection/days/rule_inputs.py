"""Corrections and punches as the rules read them."""

from datetime import datetime, timedelta
from uuid import UUID

from attendance_projector.domain.corrections import Addition, Correction, Made, Override, Void
from attendance_projector.domain.facts import Direction, Punch, PunchId, ShiftId
from attendance_projector.domain.status import Status
from attendance_projector.projection.stored import CorrectionRow

CORRECTION = "correction"
DIRECTIONS = {direction.value.upper(): direction for direction in Direction}


def as_punch(punch_id: UUID, occurred_at: datetime, direction: str | None, method: str) -> Punch:
    """Return a punch as the rules read it; `direction` is the contract's word."""
    way = None if direction is None else DIRECTIONS[direction]
    return Punch(PunchId(str(punch_id)), occurred_at, way, method)


def as_correction(row: CorrectionRow) -> Correction:
    """Return a stored correction as the rules read it."""
    made = Made(row.made_by, row.reason, row.recorded_at, str(row.correction_id))
    if row.kind == "ADD" and row.punch_id is not None and row.occurred_at is not None:
        return Addition(made, as_punch(row.punch_id, row.occurred_at, row.direction, CORRECTION))
    if row.kind == "OVERRIDE" and row.attendance_on is not None and row.status is not None:
        return Override(
            made=made,
            on=row.attendance_on,
            status=Status(row.status),
            shift_id=None if row.shift_id is None else ShiftId(row.shift_id),
            worked=timedelta(minutes=row.worked_minutes or 0),
            overtime=timedelta(minutes=row.overtime_minutes or 0),
            first_in_at=row.first_in_at,
            last_out_at=row.last_out_at,
        )
    return Void(
        made,
        None if row.punch_id is None else PunchId(str(row.punch_id)),
        None if row.voided_correction_id is None else str(row.voided_correction_id),
    )

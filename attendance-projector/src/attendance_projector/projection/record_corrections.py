"""Record what people corrected, and find out which days it changes.

A correction has one content for ever. Voids that would go round in a circle are refused: corrections of one
person come in order, so it is always the last one that closes the circle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from attendance_projector.projection.days.rule_inputs import CORRECTION, as_punch
from attendance_projector.projection.days.stale_dates import Change, DatesChanged, PunchChanged
from attendance_projector.projection.ports import Corrections
from attendance_projector.projection.stored import AcceptedPunch, CorrectionRow, KnownPunch
from attendance_schemas.events import DayOverridden, PunchAdded, PunchVoided
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record

CorrectionEvent = PunchAdded | PunchVoided | DayOverridden


@dataclass(frozen=True, slots=True)
class ReceivedCorrection:
    """A correction and the record that carried it."""

    record: Record
    event: CorrectionEvent


@dataclass(frozen=True, slots=True)
class CorrectionJudgement:
    """The corrections to store, and the punches that they add."""

    stored: tuple[CorrectionRow, ...]
    added: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_corrections(
    received: Sequence[ReceivedCorrection], known: Mapping[UUID, CorrectionRow]
) -> CorrectionJudgement:
    """Judge corrections, in order, against all stored ones of their people and under their ids.

    Raises PoisonRecord, naming the record, for a second content of one id and for a circle of voids.
    """
    rows = dict(known)
    stored = []
    for each in received:
        row = row_of(each.event)
        first = rows.setdefault(row.correction_id, row)
        if first != row:
            raise PoisonRecord(
                "second-content",
                f"correction {row.correction_id} says something else than the first one with this id, which "
                "stays; make a new correction",
                record=each.record,
            )
        if row.correction_id in known or row in stored:
            continue
        if _is_circle(row, rows):
            raise PoisonRecord(
                "circle-of-voids",
                f"correction {row.correction_id} voids what voids it; make a new correction instead",
                record=each.record,
            )
        stored.append(row)
    added = [_added_punch(row) for row in stored if row.kind == "ADD"]
    return CorrectionJudgement(tuple(stored), tuple(added), len(received) - len(stored))


def _is_circle(row: CorrectionRow, rows: Mapping[UUID, CorrectionRow]) -> bool:
    voided = row.voided_correction_id
    while voided is not None:
        if voided == row.correction_id:
            return True
        target = rows.get(voided)
        voided = None if target is None else target.voided_correction_id
    return False


def row_of(event: CorrectionEvent) -> CorrectionRow:
    """Return the row of a correction."""
    fields: dict[str, object] = {
        name: getattr(event, name)
        for name in CorrectionRow.__dataclass_fields__
        if name not in {"kind", "occurred_at"} and hasattr(event, name)
    }
    if isinstance(event, PunchAdded):
        fields |= {"kind": "ADD", "occurred_at": event.occurred_at}
    else:
        fields["kind"] = "VOID" if isinstance(event, PunchVoided) else "OVERRIDE"
    for name in ("direction", "status"):
        if fields.get(name) is not None:
            fields[name] = str(fields[name])
    return CorrectionRow(**fields)  # type: ignore[arg-type]


def _added_punch(row: CorrectionRow) -> AcceptedPunch:
    if row.punch_id is None or row.occurred_at is None:
        raise ValueError(f"correction {row.correction_id} adds no punch")
    return AcceptedPunch(
        punch_id=row.punch_id,
        occurred_at=row.occurred_at,
        org_id=row.org_id,
        person_id=row.person_id,
        site_id=row.site_id,
        device_id=None,
        direction=row.direction,
        method=CORRECTION,
        capture_id=None,
    )


async def changes_of(
    stored: Sequence[CorrectionRow], all_rows: Mapping[UUID, CorrectionRow], corrections: Corrections
) -> dict[str, list[Change]]:
    """Return which days the corrections change, by person; those of an added punch follow from the punch."""
    ends = [(row.person_id, end) for row in stored if (end := _end_of(row, all_rows)) is not None]
    voided = {end.punch_id for _, end in ends if end.kind == "VOID" and end.punch_id is not None}
    punches = await corrections.punches(voided)
    changes: dict[str, list[Change]] = {}
    for person_id, end in ends:
        change = _change(person_id, end, punches)
        if change is not None:
            changes.setdefault(person_id, []).append(change)
    return changes


def _end_of(row: CorrectionRow, rows: Mapping[UUID, CorrectionRow]) -> CorrectionRow | None:
    """Follow voids of voids to the correction that is about a punch or a day."""
    end: CorrectionRow | None = row
    while end is not None and end.voided_correction_id is not None:
        end = rows.get(end.voided_correction_id)
        if end is not None and end.person_id != row.person_id:
            return None
    return end


def _change(person_id: str, end: CorrectionRow, punches: Mapping[UUID, KnownPunch]) -> Change | None:
    if end.attendance_on is not None:
        return DatesChanged(end.attendance_on, end.attendance_on)
    if end.punch_id is None:
        return None
    if end.occurred_at is not None:
        return PunchChanged(as_punch(end.punch_id, end.occurred_at, end.direction, CORRECTION))
    punch = punches.get(end.punch_id)
    if punch is None or punch.person_id != person_id:
        return None
    return PunchChanged(as_punch(punch.punch_id, punch.occurred_at, punch.direction, punch.method))

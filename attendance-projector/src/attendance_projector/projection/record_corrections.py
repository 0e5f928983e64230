"""Record what people corrected, and find out which days it changes.

A correction has one content for ever. Voids that would go round in a circle are refused: corrections of one
person come in order, so it is always the last one that closes the circle.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.projection.days.rule_inputs import CORRECTION, as_punch
from attendance_projector.projection.days.stale_dates import Change, DatesChanged, PunchChanged
from attendance_projector.projection.ports import Corrections
from attendance_projector.projection.stored import (
    AcceptedPunch,
    CorrectionRow,
    FactKey,
    KnownPunch,
    PersonKey,
)
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
    received: Sequence[ReceivedCorrection],
    known: Mapping[FactKey, CorrectionRow],
    taken: Collection[FactKey] = (),
) -> CorrectionJudgement:
    """Judge corrections, in order, against all stored ones of their people and under their ids.

    `taken`: ids of punches and captures that the additions among them also name. Raises PoisonRecord, naming
    the record, for a second content of one id, for a circle of voids, and for the id of something else.
    """
    rows, taken = dict(known), set(taken)
    stored: list[CorrectionRow] = []
    for each in received:
        row = row_of(each.event)
        first = rows.setdefault(row.key, row)
        if first != row:
            raise PoisonRecord(
                "second-content",
                f"correction {row.correction_id} says something else than the first one with this id, which "
                "stays; make a new correction",
                record=each.record,
            )
        if row.key in known or row in stored:
            continue
        if _is_circle(row, rows):
            raise PoisonRecord(
                "circle-of-voids",
                f"correction {row.correction_id} voids what voids it; make a new correction instead",
                record=each.record,
            )
        if (added := added_id(each.event)) is not None:
            if added in taken:
                raise PoisonRecord(
                    "id-in-use",
                    f"{added.fact_id} is something else already, correction {row.correction_id} adds a punch "
                    "of this id; the first stays, make a new correction",
                    record=each.record,
                )
            taken.add(added)
        stored.append(row)
    punches = [_added_punch(row) for row in stored if row.kind == "ADD"]
    return CorrectionJudgement(tuple(stored), tuple(punches), len(received) - len(stored))


def added_id(event: CorrectionEvent) -> FactKey | None:
    """Return which punch an event adds; None: it adds none."""
    return FactKey(event.org_id, event.punch_id) if isinstance(event, PunchAdded) else None


def _is_circle(row: CorrectionRow, rows: Mapping[FactKey, CorrectionRow]) -> bool:
    voided = row.voided_correction_id
    while voided is not None:
        if voided == row.correction_id:
            return True
        target = rows.get(FactKey(row.org_id, voided))
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
        org_id=row.org_id,
        punch_id=row.punch_id,
        occurred_at=row.occurred_at,
        person_id=row.person_id,
        site_id=row.site_id,
        device_id=None,
        direction=row.direction,
        method=CORRECTION,
        capture_id=None,
    )


async def changes_of(
    stored: Sequence[CorrectionRow], all_rows: Mapping[FactKey, CorrectionRow], corrections: Corrections
) -> dict[PersonKey, list[Change]]:
    """Return which days the corrections change, by person; those of an added punch follow from the punch."""
    ends = [end for row in stored if (end := _end_of(row, all_rows)) is not None]
    voided = {
        FactKey(end.org_id, end.punch_id) for end in ends if end.kind == "VOID" and end.punch_id is not None
    }
    punches = await corrections.punches(voided)
    changes: dict[PersonKey, list[Change]] = {}
    for end in ends:
        change = _change(end, punches)
        if change is not None:
            changes.setdefault(end.person, []).append(change)
    return changes


def _end_of(row: CorrectionRow, rows: Mapping[FactKey, CorrectionRow]) -> CorrectionRow | None:
    """Follow voids of voids to the correction of the same person that is about a punch or a day."""
    end: CorrectionRow | None = row
    while end is not None and end.voided_correction_id is not None:
        end = rows.get(FactKey(end.org_id, end.voided_correction_id))
        if end is not None and end.person != row.person:
            return None
    return end


def _change(end: CorrectionRow, punches: Mapping[FactKey, KnownPunch]) -> Change | None:
    if end.attendance_on is not None:
        return DatesChanged(end.attendance_on, end.attendance_on)
    if end.punch_id is None:
        return None
    if end.occurred_at is not None:
        return PunchChanged(as_punch(end.punch_id, end.occurred_at, end.direction, CORRECTION))
    punch = punches.get(FactKey(end.org_id, end.punch_id))
    if punch is None or punch.person_id != end.person_id:
        return None
    return PunchChanged(as_punch(punch.punch_id, punch.occurred_at, punch.direction, punch.method))

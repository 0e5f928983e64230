"""Record what people corrected, and find out which days it changes.

A correction has one content for ever. Voids that would go round in a circle are refused: corrections of one
person come in order, so it is always the last one that closes the circle. Refused is also what reaches beyond
its maker's authority: to a person of another site, or an addition at another site.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.domain.authority import covers
from attendance_projector.projection.days.rule_inputs import CORRECTION, as_punch
from attendance_projector.projection.days.stale_dates import Change, DatesChanged, PunchChanged
from attendance_projector.projection.ports import Corrections
from attendance_projector.projection.refusals import OUT_OF_SCOPE, Reason, Refuse
from attendance_projector.projection.stored import (
    AcceptedPunch,
    CorrectionRow,
    FactKey,
    KnownPunch,
    PersonKey,
)
from attendance_schemas.events import DayOverridden, PunchAdded, PunchVoided

CorrectionEvent = PunchAdded | PunchVoided | DayOverridden


@dataclass(frozen=True, slots=True)
class CorrectionJudgement:
    """The corrections to store, and the punches that they add."""

    stored: tuple[CorrectionRow, ...]
    added: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_corrections(
    received: Sequence[CorrectionEvent],
    known: Mapping[FactKey, CorrectionRow],
    refuse: Refuse,
    taken: Collection[FactKey] = (),
) -> CorrectionJudgement:
    """Judge corrections, in order, against all stored ones of their people and under their ids.

    `taken`: ids of punches and captures that the additions among them also name.
    """
    rows, taken = dict(known), set(taken)
    stored: list[CorrectionRow] = []
    repeated = 0
    for event in received:
        row, added = row_of(event), added_id(event)
        if (reason := _refusal(event, row, rows, is_taken=added in taken)) is not None:
            refuse(event, reason)
        elif row.key in rows:
            repeated += 1
        else:
            rows[row.key] = row
            stored.append(row)
            taken |= set() if added is None else {added}
    punches = [_added_punch(row) for row in stored if row.kind == "ADD"]
    return CorrectionJudgement(tuple(stored), tuple(punches), repeated)


def _refusal(
    event: CorrectionEvent, row: CorrectionRow, rows: Mapping[FactKey, CorrectionRow], *, is_taken: bool
) -> Reason | None:
    """Return why a correction is refused; None: it is not."""
    if not covers(event.authority.sites, event.home_site_id, *_places(event)):
        detail = (
            f"{row.made_by} acts for {', '.join(event.authority.sites or ())} only, and correction "
            f"{row.correction_id} reaches further; ask somebody who acts for all that it names"
        )
        return Reason(OUT_OF_SCOPE, detail)
    first = rows.get(row.key, row)
    if first != row:
        detail = (
            f"correction {row.correction_id} says something else than the first one with this id, which "
            "stays; make a new correction"
        )
        return Reason("second-content", detail)
    if row.key in rows:
        return None
    if _is_circle(row, rows):
        detail = f"correction {row.correction_id} voids what voids it; make a new correction instead"
        return Reason("circle-of-voids", detail)
    if is_taken:
        detail = (
            f"{row.punch_id} is something else already, correction {row.correction_id} adds a punch of this "
            "id; the first stays, make a new correction"
        )
        return Reason("id-in-use", detail)
    return None


def _places(event: CorrectionEvent) -> tuple[str, ...]:
    """Return the sites that a correction names beside the person's home."""
    return (event.site_id,) if isinstance(event, PunchAdded) and event.site_id is not None else ()


def added_id(event: CorrectionEvent) -> FactKey | None:
    """Return which punch an event adds; None: it adds none."""
    return FactKey(event.org_id, event.punch_id) if isinstance(event, PunchAdded) else None


def _is_circle(row: CorrectionRow, rows: Mapping[FactKey, CorrectionRow]) -> bool:
    """Say whether a void leads back to itself by corrections of its person.

    Voids of somebody else's count nothing and can lie in a circle: they came in no order.
    """
    voided = row.voided_correction_id
    while voided is not None:
        if voided == row.correction_id:
            return True
        target = rows.get(FactKey(row.org_id, voided))
        if target is None or target.person != row.person:
            return False
        voided = target.voided_correction_id
    return False


def row_of(event: CorrectionEvent) -> CorrectionRow:
    """Return the row of a correction."""
    fields: dict[str, object] = {
        name: getattr(event, name)
        for name in CorrectionRow.__dataclass_fields__
        if name not in {"kind", "occurred_at"} and hasattr(event, name)
    } | {"made_by": event.authority.subject}
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

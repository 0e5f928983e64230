"""Corrections by people: voids remove a punch or a correction, additions add one, overrides replace a day.

The explanation of a day says who made those in force, when and why. The order in which corrections arrive is
nothing; a correction is in force unless a void that is in force names it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from attendance_projector.domain.facts import NOTHING, Punch, PunchId, RuleError, ShiftId
from attendance_projector.domain.status import Status

BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """Who corrected, why, and when. The id is needed only to void the correction."""

    by: str
    reason: str
    recorded_at: datetime | None = None
    correction_id: str | None = None

    @property
    def text(self) -> str:
        """The maker, the instant and the reason, for people."""
        when = "" if self.recorded_at is None else f" at {self.recorded_at.astimezone(UTC).isoformat()}"
        return f"by {self.by}{when}: {self.reason}"

    @property
    def order(self) -> tuple[datetime, str, str, str]:
        """Sort key: the one recorded first comes first; without an instant, before all."""
        return self.recorded_at or BEFORE_ALL, self.correction_id or "", self.by, self.reason


@dataclass(frozen=True, slots=True)
class Void:
    """Remove a punch, or a correction. A punch that is not known yet is removed when it arrives."""

    made: Made
    punch_id: PunchId | None = None
    correction_id: str | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """Add a punch that no device saw."""

    made: Made
    punch: Punch


@dataclass(frozen=True, slots=True)
class Override:
    """Replace the day of a date and shift; `shift_id` None: of every shift on that date."""

    made: Made
    on: date
    status: Status
    shift_id: ShiftId | None = None
    worked: timedelta = NOTHING
    overtime: timedelta = NOTHING
    first_in_at: datetime | None = None
    last_out_at: datetime | None = None

    def replaces(self, on: date, shift_id: ShiftId) -> bool:
        """Say whether this is an override of that day."""
        return self.on == on and self.shift_id in {None, shift_id}


Correction = Void | Addition | Override


@dataclass(frozen=True, slots=True)
class CorrectionsInForce:
    """The corrections that hold; overrides in the order in which they were made."""

    voids: Mapping[PunchId, Void]
    additions: Mapping[PunchId, Addition]
    overrides: tuple[Override, ...]


# Of nearly every day.
NO_CORRECTIONS = CorrectionsInForce({}, {}, ())


def corrections_in_force(corrections: Iterable[Correction]) -> CorrectionsInForce:
    """Leave out what was voided. Raises RuleError when voids go round in a circle, or an id has two facts."""
    distinct = set(corrections)
    if not distinct:
        return NO_CORRECTIONS
    ordered = sorted(distinct, key=lambda each: (each.made.order, repr(each)))
    by_id: dict[str, Correction] = {}
    void_count: Counter[str | None] = Counter()
    for each in ordered:
        correction_id = each.made.correction_id
        if correction_id is not None and by_id.setdefault(correction_id, each) != each:
            raise RuleError(f"correction {correction_id} is given twice with different facts; keep one")
        if isinstance(each, Void) and each.correction_id is not None:
            void_count[each.correction_id] += 1
    holding = _holding(ordered, by_id, void_count)
    voids: dict[PunchId, Void] = {}
    additions: dict[PunchId, Addition] = {}
    for each in holding:
        if isinstance(each, Void) and each.punch_id is not None:
            voids.setdefault(each.punch_id, each)
        elif (
            isinstance(each, Addition) and additions.setdefault(each.punch.punch_id, each).punch != each.punch
        ):
            raise RuleError(f"punch {each.punch.punch_id} is added twice with different facts; void one")
    return CorrectionsInForce(voids, additions, tuple(each for each in holding if isinstance(each, Override)))


def _holding(
    ordered: Sequence[Correction], by_id: Mapping[str, Correction], void_count: Mapping[str | None, int]
) -> list[Correction]:
    """Leave out what a void that holds names; each is decided once, after all that void it.

    Step by step, since people can void voids as often as they like.
    """
    waiting = dict(void_count)
    decided = [each for each in ordered if each.made.correction_id not in void_count]
    taken_out: set[str | None] = set()
    for each in decided:
        if not isinstance(each, Void) or each.correction_id is None:
            continue
        named = each.correction_id
        if each.made.correction_id not in taken_out:
            taken_out.add(named)
        waiting[named] -= 1
        if waiting[named] == 0 and named in by_id:
            decided.append(by_id[named])
    if len(decided) < len(ordered):
        # Every void names one correction, so what is left lies in circles.
        circle = set(ordered) - set(decided)
        first = next(each.made.correction_id for each in ordered if each in circle)
        raise RuleError(f"correction {first} voids itself in a circle; make a new correction instead")
    return [each for each in ordered if each.made.correction_id not in taken_out]

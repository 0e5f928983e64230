"""One attendance day: a person's shift instance and the punches that it owns, through all rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from attendance_projector.domain.counting import count_time, hours_text, whole_minutes
from attendance_projector.domain.debounce import drop_repeats
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, PunchId, ShiftId
from attendance_projector.domain.ownership import Ownership
from attendance_projector.domain.pairing import Missing, pair_punches
from attendance_projector.domain.shift_windows import ShiftInstance
from attendance_projector.domain.status import Status, early_by, late_by, status_of


@dataclass(frozen=True, slots=True)
class AttendanceDay:
    """The day of a shift. `punches` were used; `evidence` belongs to the day and was not."""

    attendance_on: date
    shift_id: ShiftId
    shift_effective_on: date
    status: Status
    worked: timedelta
    first_in_at: datetime | None
    last_out_at: datetime | None
    late_by: timedelta
    early_by: timedelta
    missing: Missing | None
    open_since: datetime | None
    punches: tuple[PunchId, ...]
    evidence: tuple[PunchId, ...]
    explanation: tuple[Explanation, ...]

    @property
    def worked_minutes(self) -> int:
        """Whole minutes worked."""
        return whole_minutes(self.worked)

    @property
    def late(self) -> bool:
        """Whether the first in was later than start and grace."""
        return self.late_by > NOTHING

    @property
    def late_minutes(self) -> int:
        """Whole minutes from the start to a late first in."""
        return whole_minutes(self.late_by)

    @property
    def early(self) -> bool:
        """Whether the last out was earlier than end less grace."""
        return self.early_by > NOTHING

    @property
    def early_minutes(self) -> int:
        """Whole minutes from an early last out to the end."""
        return whole_minutes(self.early_by)


def build_day(instance: ShiftInstance, owned: Sequence[Ownership]) -> AttendanceDay:
    """Apply the rules to the ordered punches of an instance: debounce, pair, count, mark, decide."""
    shift = instance.shift
    punches = [ownership.punch for ownership in owned]
    counted, repeats = drop_repeats(punches, shift)
    pairing = pair_punches(counted, shift)
    time = count_time(pairing, shift)
    status, why_status = status_of(time, shift)
    late, early = late_by(time.first_in_at, instance), early_by(time.last_out_at, instance)
    used = tuple(punch.punch_id for punch in counted if punch.punch_id not in pairing.unused)
    explanation = [
        _version(instance),
        *(ownership.why for ownership in owned),
        *repeats,
        *pairing.explanation,
    ]
    explanation.append(time.explanation)
    if pairing.missing is not None:
        explanation.append(Explanation(Rule.MISSING, None, f"an {pairing.missing} is missing"))
    if late > NOTHING:
        explanation.append(Explanation(Rule.LATE, None, f"first in {hours_text(late)} after the start"))
    if early > NOTHING:
        explanation.append(Explanation(Rule.EARLY, None, f"last out {hours_text(early)} before the end"))
    return AttendanceDay(
        attendance_on=instance.attendance_on,
        shift_id=shift.shift_id,
        shift_effective_on=shift.effective_on,
        status=status,
        worked=time.worked,
        first_in_at=time.first_in_at,
        last_out_at=time.last_out_at,
        late_by=late,
        early_by=early,
        missing=pairing.missing,
        open_since=pairing.open_in.occurred_at if pairing.open_in else None,
        punches=used,
        evidence=tuple(punch.punch_id for punch in punches if punch.punch_id not in used),
        explanation=(*explanation, why_status),
    )


def _version(instance: ShiftInstance) -> Explanation:
    shift = instance.shift
    text = f"shift {shift.shift_id} as recorded from {shift.effective_on} on"
    return Explanation(Rule.SHIFT_VERSION, None, text)

"""One attendance day: a person's shift instance and the punches that it owns, through all rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from attendance_projector.domain.absence import AbsenceBasis, Knowledge, absence_by_watermark
from attendance_projector.domain.breaks import unpaid_break
from attendance_projector.domain.counting import CountedTime, count_time, hours_text, whole_minutes
from attendance_projector.domain.days_off import day_off, half_leave
from attendance_projector.domain.debounce import drop_repeats
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, PunchId, Rounding, ShiftId, ShiftVersion
from attendance_projector.domain.flexible import NO_SHIFT
from attendance_projector.domain.overtime import overtime_minutes
from attendance_projector.domain.ownership import Ownership
from attendance_projector.domain.pairing import Missing, Pairing, pair_punches
from attendance_projector.domain.rounding import rounded_minutes
from attendance_projector.domain.schedule import SINCE_EVER, Schedule
from attendance_projector.domain.shift_windows import ShiftInstance
from attendance_projector.domain.status import Status, early_by, late_by, status_of


@dataclass(frozen=True, slots=True)
class AttendanceDay:
    """The day of a shift. `punches` were used; `evidence` belongs to the day and was not.

    `absence` and `closes_at` are set when a day without a punch waits for time and devices, or did.
    """

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
    break_time: timedelta = NOTHING
    rounding: Rounding | None = None
    overtime_minutes: int = 0
    closes_at: datetime | None = None
    absence: AbsenceBasis | None = None

    @property
    def worked_minutes(self) -> int:
        """Minutes worked, less the break, as reported: whole, and rounded when the shift says so."""
        return rounded_minutes(whole_minutes(self.worked), self.rounding)

    @property
    def break_minutes(self) -> int:
        """Whole minutes that were deducted as unpaid break."""
        return whole_minutes(self.break_time)

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


def build_day(
    instance: ShiftInstance,
    owned: Sequence[Ownership],
    schedule: Schedule,
    known: Knowledge,
    corrected: Sequence[Explanation] = (),
) -> AttendanceDay:
    """Apply the rules to the ordered punches of an instance: debounce, pair, count, mark, decide.

    `corrected` says which punches corrections removed or added.
    """
    shift, punches = instance.shift, [ownership.punch for ownership in owned]
    reasons = [*_versions(instance, schedule), *corrected]
    if not owned:
        return _day_without_punch(instance, schedule, known, reasons)
    counted, repeats = drop_repeats(punches, shift)
    pairing = pair_punches(counted, shift)
    time = count_time(pairing, shift)
    used = tuple(punch.punch_id for punch in counted if punch.punch_id not in pairing.unused)
    reasons += [*(ownership.why for ownership in owned), *repeats, *pairing.explanation]
    work = _decide(instance, schedule, pairing, time, reasons)
    return AttendanceDay(
        attendance_on=instance.attendance_on,
        shift_id=shift.shift_id,
        shift_effective_on=shift.effective_on,
        status=work.status,
        worked=work.worked,
        first_in_at=time.first_in_at,
        last_out_at=time.last_out_at,
        late_by=work.late_by,
        early_by=work.early_by,
        missing=work.missing,
        open_since=pairing.open_in.occurred_at if pairing.open_in else None,
        punches=used,
        evidence=tuple(punch.punch_id for punch in punches if punch.punch_id not in used),
        explanation=tuple(reasons),
        break_time=work.break_time,
        rounding=work.rounding,
        overtime_minutes=work.overtime_minutes,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What the rules make of the time counted; on a day off nothing but its status."""

    status: Status
    worked: timedelta = NOTHING
    late_by: timedelta = NOTHING
    early_by: timedelta = NOTHING
    missing: Missing | None = None
    break_time: timedelta = NOTHING
    rounding: Rounding | None = None
    overtime_minutes: int = 0


def _decide(
    instance: ShiftInstance,
    schedule: Schedule,
    pairing: Pairing,
    time: CountedTime,
    reasons: list[Explanation],
) -> _Work:
    """Return the work of a day, or none on a day off, and append why."""
    shift = instance.shift
    off = day_off(schedule, instance.attendance_on, counts_punches=shift.count_on_holiday)
    if off is None:
        return _work(instance, schedule, pairing, time, reasons)
    status, why = off
    reasons.append(why)
    return _Work(status)


def _work(
    instance: ShiftInstance,
    schedule: Schedule,
    pairing: Pairing,
    time: CountedTime,
    reasons: list[Explanation],
) -> _Work:
    """Deduct, compare and mark a day of work, and append why."""
    shift, on = instance.shift, instance.attendance_on
    reasons.append(time.explanation)
    break_time, why_break = unpaid_break(time.worked, len(pairing.pairs), shift)
    worked = time.worked - break_time
    overtime, why_overtime = overtime_minutes(worked, instance)
    half = half_leave(schedule, on)
    is_employed = schedule.is_employed(on)
    status, why_status = status_of(
        worked, shift, is_closed=time.is_closed, on_half_leave=half is not None, is_employed=is_employed
    )
    late = NOTHING if half else late_by(time.first_in_at, instance)
    early = NOTHING if half else early_by(time.last_out_at, instance)
    if why_break is not None:
        reasons.append(why_break)
    reasons += why_overtime
    if shift.rounding is not None:
        text = f"reported minutes in steps of {shift.rounding.minutes}, {shift.rounding.mode}"
        reasons.append(Explanation(Rule.ROUNDING, None, text))
    if pairing.missing is not None:
        reasons.append(Explanation(Rule.MISSING, None, f"an {pairing.missing} is missing"))
    if late > NOTHING:
        reasons.append(Explanation(Rule.LATE, None, f"first in {hours_text(late)} after the start"))
    if early > NOTHING:
        reasons.append(Explanation(Rule.EARLY, None, f"last out {hours_text(early)} before the end"))
    if half is not None:
        reasons.append(half)
    if not is_employed:
        text = "nobody expects the person on this date; the day is never ABSENT"
        reasons.append(Explanation(Rule.NOT_EMPLOYED, None, text))
    reasons.append(why_status)
    return _Work(status, worked, late, early, pairing.missing, break_time, shift.rounding, overtime)


def _day_without_punch(
    instance: ShiftInstance, schedule: Schedule, known: Knowledge, reasons: list[Explanation]
) -> AttendanceDay:
    """Decide a day on which the person was expected, or off, and no punch came."""
    on = instance.attendance_on
    # A holiday on which work would have counted is still a holiday for people who stayed at home.
    off = day_off(schedule, on, counts_punches=False)
    half = half_leave(schedule, on)
    if off is None and half is not None:
        reasons.append(half)
    absence = None
    if off is None:
        absence, status, why = absence_by_watermark(instance, known)
    else:
        status, why = off
    return AttendanceDay(
        attendance_on=on,
        shift_id=instance.shift.shift_id,
        shift_effective_on=instance.shift.effective_on,
        status=status,
        worked=NOTHING,
        first_in_at=None,
        last_out_at=None,
        late_by=NOTHING,
        early_by=NOTHING,
        missing=None,
        open_since=None,
        punches=(),
        evidence=(),
        explanation=(*reasons, why),
        closes_at=None if absence is None else instance.closes_at,
        absence=absence,
    )


def _versions(instance: ShiftInstance, schedule: Schedule) -> list[Explanation]:
    """Name the versions of the shift and, where it has a name, of the policy."""
    policy = schedule.policy_on(instance.attendance_on)
    if policy.name is None:
        return [_version(instance.shift)]
    since = "always" if policy.effective_on <= SINCE_EVER else f"from {policy.effective_on} on"
    text = f"policy {policy.name} as recorded {since}"
    return [_version(instance.shift), Explanation(Rule.POLICY_VERSION, None, text)]


@lru_cache
def _version(shift: ShiftVersion) -> Explanation:
    if shift.shift_id == NO_SHIFT:
        return Explanation(Rule.FLEXIBLE, None, f"no shift; the day begins at {shift.start:%H:%M}")
    since = "always" if shift.effective_on == date.min else f"from {shift.effective_on} on"
    text = f"shift {shift.shift_id} as recorded {since}"
    return Explanation(Rule.SHIFT_VERSION, None, text)

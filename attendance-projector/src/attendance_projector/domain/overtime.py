"""Time worked beyond the shift."""

from datetime import timedelta

from attendance_projector.domain.breaks import full_break
from attendance_projector.domain.counting import whole_minutes
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING
from attendance_projector.domain.rounding import rounded_minutes
from attendance_projector.domain.shift_windows import ShiftInstance


def overtime_minutes(worked: timedelta, instance: ShiftInstance) -> tuple[int, list[Explanation]]:
    """Return overtime as reported: work beyond the shift and `overtime_after`, rounded, then capped.

    The length is what the instance really lasts, also when clocks change, less the break that a full shift
    deducts: work is compared without its break, so the plan must be too. The cap comes last, because it is
    what payroll agreed to pay at most.
    """
    shift = instance.shift
    if shift.overtime_after is None:
        return 0, []
    length = instance.ends_at - instance.starts_at
    planned = length - full_break(length, shift)
    beyond = worked - planned - shift.overtime_after
    if beyond <= NOTHING:
        return 0, []
    minutes = rounded_minutes(whole_minutes(beyond), shift.rounding)
    text = f"{minutes} min beyond {whole_minutes(planned)} + {whole_minutes(shift.overtime_after)} min"
    why = [Explanation(Rule.OVERTIME, None, text)]
    if shift.overtime_cap is not None and minutes > whole_minutes(shift.overtime_cap):
        minutes = whole_minutes(shift.overtime_cap)
        why.append(Explanation(Rule.OVERTIME_CAP, None, f"capped at {minutes} min a day"))
    if shift.overtime_needs_approval and minutes:
        why.append(Explanation(Rule.OVERTIME_APPROVAL, None, "overtime is to be approved before it is paid"))
    return minutes, why

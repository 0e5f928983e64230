"""An override: the day as a person decided it, instead of what the rules make of the punches."""

from dataclasses import replace

from attendance_projector.domain.corrections import Override
from attendance_projector.domain.counting import whole_minutes
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING
from attendance_projector.domain.flexible import NO_SHIFT


def overridden(day: AttendanceDay, override: Override) -> AttendanceDay:
    """Replace the whole day: the punches stay as evidence, no mark of the rules stays.

    Nor does what time and devices decided of a day without a punch: nobody would look at it again.
    """
    explained = tuple(each for each in day.explanation if each.rule is not Rule.NO_PUNCH)
    return replace(
        _decided(override),
        shift_id=day.shift_id,
        shift_effective_on=day.shift_effective_on,
        evidence=(*day.punches, *day.evidence),
        explanation=(*explained, _why(override)),
    )


def day_of_override(override: Override) -> AttendanceDay:
    """Return the day of an override of a date on which the person has no such shift."""
    return _decided(override)


def _decided(override: Override) -> AttendanceDay:
    return AttendanceDay(
        attendance_on=override.on,
        shift_id=override.shift_id or NO_SHIFT,
        shift_effective_on=override.on,
        status=override.status,
        worked=override.worked,
        first_in_at=override.first_in_at,
        last_out_at=override.last_out_at,
        late_by=NOTHING,
        early_by=NOTHING,
        missing=None,
        open_since=None,
        punches=(),
        evidence=(),
        explanation=(_why(override),),
        overtime_minutes=whole_minutes(override.overtime),
    )


def _why(override: Override) -> Explanation:
    text = f"{override.status}: the whole day was overridden {override.made.text}"
    return Explanation(Rule.OVERRIDE, None, text)

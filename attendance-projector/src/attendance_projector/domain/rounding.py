"""Rounding of the minutes that are reported. Stored punches and thresholds never see it."""

from attendance_projector.domain.facts import Rounding, RoundingMode


def rounded_minutes(minutes: int, rounding: Rounding | None) -> int:
    """Return whole minutes in steps of the rounding.

    What is left of a minute was dropped before: a second must not buy a quarter of an hour.
    """
    if rounding is None:
        return minutes
    step = rounding.minutes
    added = {RoundingMode.DOWN: 0, RoundingMode.UP: step - 1, RoundingMode.NEAREST: step // 2}[rounding.mode]
    return (minutes + added) // step * step

"""Why a day is what it is: one entry for each punch and each rule that decided something."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from attendance_projector.domain.facts import PunchId


class Rule(StrEnum):
    """Names of the rules as an explanation shows them."""

    SHIFT_VERSION = "shift_version"
    POLICY_VERSION = "policy_version"
    WINDOW = "window"
    MIDPOINT = "midpoint_cut"
    DIRECTION = "direction_in_shared_window"
    DEBOUNCE = "debounce"
    ALTERNATING = "alternating_pairing"
    DIRECTED = "directed_pairing"
    FIRST_LAST = "first_last_counting"
    EVERY_PAIR = "every_pair_counting"
    MISSING = "missing_punch"
    LATE = "late_grace"
    EARLY = "early_grace"
    STATUS = "status"
    UNSCHEDULED = "unscheduled"
    FLEXIBLE = "flexible_day"
    VOID = "void_correction"
    ADDITION = "add_correction"
    OVERRIDE = "override_correction"
    FULL_LEAVE = "full_leave"
    HALF_LEAVE = "half_leave"
    HOLIDAY = "holiday"
    WEEKLY_OFF = "weekly_off"
    NOT_EMPLOYED = "not_employed"
    NO_PUNCH = "absence_by_watermark"
    BREAK = "unpaid_break"
    ROUNDING = "rounding"
    OVERTIME = "overtime"
    OVERTIME_CAP = "overtime_cap"
    OVERTIME_APPROVAL = "overtime_approval"
    PERIOD_LOCK = "period_lock"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision. `punch` is None when it concerns the whole day."""

    rule: Rule
    punch: PunchId | None
    text: str


def reasons_as_json(reasons: Iterable[Explanation]) -> list[dict[str, str | None]]:
    """Return an explanation as it is stored and printed."""
    return [{"rule": entry.rule.value, "punch": entry.punch, "text": entry.text} for entry in reasons]

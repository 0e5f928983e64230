"""What-if files: fields of the policy and of shifts, as they might be; what is not named stays as it is.

The names are those of scenario files. A field that is unknown or impossible is an error that names it; a
field that is `null` turns its rule off.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from attendance_projector.domain.facts import Counting, PairingMode, ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Policy, Schedule, policy_on, version_on
from attendance_projector.explain.scenario.file import RoundingText, ShiftText
from attendance_projector.explain.scenario.rule_inputs import (
    EARLIEST_ON,
    ScenarioError,
    check_date,
    policy_of,
    shift_of,
)
from attendance_projector.explain.stored_scenario import policy_text, shift_text

Name = Annotated[str, Meta(min_length=1)]
Text = TypeVar("Text", bound=msgspec.Struct)


class _Changed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields that replace those in effect from `effective_on` on; null: from the first of the month on."""

    effective_on: date | None = None


class PolicyChange(_Changed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What would hold for everybody."""

    weekly_offs: tuple[str, ...] | UnsetType = UNSET
    flexible: bool | UnsetType = UNSET
    day_start: str | UnsetType = UNSET
    expects_attendance: bool | UnsetType = UNSET


class ShiftChange(_Changed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a recorded shift would be."""

    id: Name
    start: str | UnsetType = UNSET
    end: str | UnsetType = UNSET
    time_zone: str | UnsetType | None = UNSET
    window_before: float | UnsetType = UNSET
    window_after: float | UnsetType = UNSET
    late_grace: float | UnsetType | None = UNSET
    early_grace: float | UnsetType | None = UNSET
    pairing: PairingMode | UnsetType = UNSET
    counting: Counting | UnsetType = UNSET
    half_day_below: float | UnsetType | None = UNSET
    absent_below: float | UnsetType | None = UNSET
    debounce: float | UnsetType = UNSET
    break_minutes: float | UnsetType = UNSET
    break_after: float | UnsetType = UNSET
    rounding: RoundingText | UnsetType | None = UNSET
    overtime_after: float | UnsetType | None = UNSET
    overtime_cap: float | UnsetType | None = UNSET
    needs_approval: bool | UnsetType = UNSET
    count_on_holiday: bool | UnsetType = UNSET


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A what-if file."""

    policy: PolicyChange | None = None
    shifts: tuple[ShiftChange, ...] = ()


def read_what_if(content: bytes) -> WhatIf:
    """Read a what-if file. Raises ScenarioError."""
    try:
        what_if = msgspec.json.decode(content, type=WhatIf)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"the what-if does not read: {error}") from error
    ids = [change.id for change in what_if.shifts]
    if what_if.policy is None and not ids:
        raise ScenarioError("the what-if changes nothing; give policy, shifts or both")
    if twice := [each for index, each in enumerate(ids) if each in ids[:index]]:
        raise ScenarioError(f"shifts: {twice[0]!r} is given twice; give its fields together")
    _check(what_if)
    return what_if


def _check(what_if: WhatIf) -> None:
    """Try the changes on a usual shift and no policy, so that an error is found for any person."""
    for index, change in enumerate(what_if.shifts):
        where = f"shifts[{index}]"
        usual = ShiftText(id=change.id, start="08:00", end="16:00")
        shift_of(where, _changed(usual, change, check_date(f"{where}.effective_on", change.effective_on)))
    if what_if.policy is not None:
        check_date("policy.effective_on", what_if.policy.effective_on)
        _altered_policies((), what_if.policy, EARLIEST_ON)


def altered(schedule: Schedule, what_if: WhatIf, from_on: date) -> Schedule:
    """Return the schedule as it would be; `from_on`: where a change names no date. Raises ScenarioError."""
    policies, shifts = schedule.policies, schedule.shifts
    if what_if.policy is not None:
        policies = _altered_policies(policies, what_if.policy, from_on)
    for index, change in enumerate(what_if.shifts):
        shifts = _altered_shifts(f"shifts[{index}]", shifts, change, from_on)
    earlier = tuple((until, altered(each, what_if, from_on)) for until, each in schedule.earlier)
    return replace(schedule, policies=policies, shifts=shifts, earlier=earlier)


def _altered_policies(policies: Sequence[Policy], change: PolicyChange, from_on: date) -> tuple[Policy, ...]:
    """Begin a new version on the date of the change, and change those that come later."""
    start = change.effective_on or from_on
    begun = [policy_on(policies, start), *(each for each in policies if each.effective_on > start)]
    changed = []
    for each in begun:
        text = _changed(policy_text(each), change, max(start, each.effective_on))
        name = "what-if" if each.name is None else f"{each.name} (what-if)"
        changed.append(policy_of("policy", msgspec.structs.replace(text, name=name)))
    return (*(each for each in policies if each.effective_on < start), *changed)


def _altered_shifts(
    where: str, versions: Sequence[ShiftVersion], change: ShiftChange, from_on: date
) -> tuple[ShiftVersion, ...]:
    start, shift_id = change.effective_on or from_on, ShiftId(change.id)
    of_shift = [each for each in versions if each.shift_id == shift_id]
    in_effect = version_on(of_shift, shift_id, start)
    begun = [] if in_effect is None else [in_effect]
    begun += [each for each in of_shift if each.effective_on > start]
    changed = [
        shift_of(where, _changed(shift_text(each), change, max(start, each.effective_on))) for each in begun
    ]
    stay = [each for each in versions if each.shift_id != shift_id or each.effective_on < start]
    return (*stay, *changed)


def _changed(text: Text, change: _Changed, effective_on: date | None) -> Text:
    """Put the fields that are given in the place of those of a version that begins then."""
    fields: dict[str, Any] = {name: getattr(change, name) for name in change.__struct_fields__}
    given = {name: value for name, value in fields.items() if value is not UNSET}
    return msgspec.structs.replace(text, **given | {"effective_on": effective_on or EARLIEST_ON})

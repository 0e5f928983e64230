"""Locks of a scenario: each keeps the days as the rules gave them from the facts recorded until then.

A file has no log, so what stood at a lock follows from `recorded_at`: of a punch, its own instant unless
given; a correction or leave without one was always known. Where `expected_until` says that days begin with
time, those that had not begun by then were not there.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import Made
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.periods import Adjustment, Closing, PeriodLock, close_period, keep_closed
from attendance_projector.explain.scenario.file import Scenario
from attendance_projector.explain.scenario.rule_inputs import (
    ScenarioError,
    check_date,
    corrections_of,
    instant_of,
    knowledge_of,
    maybe_instant_of,
    parts_of,
    punches_of,
    schedule_of,
)


def closed_days(
    scenario: Scenario, now: Sequence[AttendanceDay]
) -> tuple[list[AttendanceDay], list[Adjustment]]:
    """Return the days of a scenario as stored, and the adjustments. Raises ScenarioError."""
    zone = schedule_of(scenario).zone
    made: list[tuple[datetime, datetime | None, PeriodLock]] = []
    for index, text in enumerate(scenario.locks):
        where = f"locks[{index}]"
        check_date(f"{where}.from", text.starts_on)
        check_date(f"{where}.until", text.ends_on)
        at = instant_of(f"{where}.at", text.at, zone)
        reopened_at = maybe_instant_of(f"{where}.reopened_at", text.reopened_at, zone)
        if text.ends_on < text.starts_on:
            raise ScenarioError(f"{where}.until: {text.ends_on} is before {text.starts_on}")
        lock = PeriodLock(where, text.starts_on, text.ends_on, Made(text.by, text.reason, at, where))
        made.append((at, reopened_at, lock))
    closings: list[tuple[datetime | None, Closing]] = []
    for at, reopened_at, lock in sorted(made, key=lambda each: (each[0], each[2].lock_id)):
        standing = [closing for until, closing in closings if until is None or until > at]
        closings.append((reopened_at, close_period(lock, _days_known(scenario, at, zone), standing)))
    return keep_closed(now, [closing for reopened_at, closing in closings if reopened_at is None])


def _days_known(scenario: Scenario, at: datetime, zone: ZoneInfo) -> Sequence[AttendanceDay]:
    """Return what the rules made of the facts that were recorded until an instant."""
    known_leave = [
        each
        for index, each in enumerate(scenario.leave)
        if _is_known(maybe_instant_of(f"leave[{index}].recorded_at", each.recorded_at, zone), at)
    ]
    punches = [
        punch
        for index, (punch, text) in enumerate(zip(punches_of(scenario, zone), scenario.punches, strict=True))
        if _is_known(
            maybe_instant_of(f"punches[{index}].recorded_at", text.recorded_at, zone) or punch.occurred_at, at
        )
    ]
    corrections = [each for each in corrections_of(scenario, zone) if _is_known(each.made.recorded_at, at)]
    until = knowledge_of(scenario, zone)
    known = Knowledge(_earlier(until.as_of, at), _earlier(until.devices_reported_until, at))
    plan = schedule_of(msgspec.structs.replace(scenario, leave=tuple(known_leave)))
    begun_on = (known.as_of or at).astimezone(zone).date()
    expected_until = scenario.expected_until and min(scenario.expected_until, begun_on)
    return [
        day
        for first_on, last_on, what in parts_of(scenario, known, expected_until)
        for day in attendance(punches, plan, first_on, last_on, corrections=corrections, known=what).days
    ]


def _is_known(recorded_at: datetime | None, at: datetime) -> bool:
    return recorded_at is None or recorded_at <= at


def _earlier(known: datetime | None, at: datetime) -> datetime | None:
    return None if known is None else min(known, at)

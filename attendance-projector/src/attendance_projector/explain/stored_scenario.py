"""Stored facts as the scenario file that says the same: a reader of the file needs no database.

The file has pseudonymous ids, no names, and of the person's facts those that days of the range depend on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from attendance_projector.domain.facts import MONDAY_TO_SUNDAY, Direction, Punch, RosterEntry, ShiftVersion
from attendance_projector.domain.flexible import USUAL_DAY_START
from attendance_projector.domain.schedule import NO_POLICY, Policy, Schedule
from attendance_projector.domain.shift_windows import ONE_DAY, instants_of
from attendance_projector.domain.status import Status
from attendance_projector.explain.scenario.file import (
    AddText,
    LeaveText,
    OverrideText,
    PersonText,
    PolicyText,
    PunchText,
    RosterText,
    RotationText,
    RoundingText,
    Scenario,
    ShiftText,
    VoidText,
)
from attendance_projector.explain.scenario.rule_inputs import EARLIEST_ON, LATEST_ON
from attendance_projector.projection.days.rule_inputs import CORRECTION
from attendance_projector.projection.stored import CorrectionRow, KnownPerson

MINUTE, HOUR, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(seconds=1)
CorrectionText = VoidText | AddText | OverrideText


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What the days of one person are made of. `punches` are those around the days that are asked for."""

    person: KnownPerson
    schedule: Schedule
    punches: Sequence[Punch]
    corrections: Sequence[CorrectionRow]
    as_of: datetime | None
    reported_until: datetime | None = None


def scenario_of(facts: PersonFacts, first_on: date, last_on: date) -> Scenario:
    """Return the scenario whose days from first to last, inclusive, are those of the facts.

    A file has one home and one default shift: those of the first date.
    """
    schedule, person = facts.schedule.at(first_on), facts.person
    zone, employment = schedule.zone, schedule.employment
    # Added punches come with their corrections.
    punches = [punch for punch in facts.punches if punch.method != CORRECTION]
    corrections = _corrections(facts, punches, first_on, last_on)
    overridden = {each.shift for each in corrections if isinstance(each, OverrideText) and each.shift}
    horizon = None if facts.as_of is None else facts.as_of.astimezone(zone).date()
    return Scenario(
        site_zone=zone.key,
        shifts=(*map(shift_text, schedule.shifts), *_missing_shifts(schedule, overridden)),
        roster=tuple(map(_roster_text, schedule.roster)),
        default_shift=schedule.default_shift,
        holidays=tuple(sorted(on for on in schedule.holidays if first_on <= on <= last_on)),
        policies=tuple(map(policy_text, _policies(schedule.policies))),
        leave=tuple(
            LeaveText(on=each.on, part=each.part)
            for each in sorted(schedule.leave, key=lambda each: (each.on, each.part))
            if first_on <= each.on <= last_on
        ),
        person=PersonText(
            id=person.key.person_id,
            joined_on=employment.joined_on,
            left_on=employment.left_on,
            active=employment.active,
        ),
        punches=tuple(_punch_text(punch, zone) for punch in punches),
        corrections=tuple(corrections),
        as_of=_utc(facts.as_of),
        devices_reported_until=_utc(facts.reported_until),
        range=(first_on, last_on),
        expected_until=min(last_on, first_on - ONE_DAY if horizon is None else horizon),
    )


def shift_text(version: ShiftVersion) -> ShiftText:
    """Return a version of a shift as files have it."""
    rounding = version.rounding
    return ShiftText(
        id=version.shift_id,
        start=version.start.isoformat(),
        end=version.end.isoformat(),
        effective_on=version.effective_on,
        time_zone=None if version.zone is None else version.zone.key,
        window_before=_count(MINUTE, version.window_before),
        window_after=_count(MINUTE, version.window_after),
        late_grace=_in(MINUTE, version.late_grace),
        early_grace=_in(MINUTE, version.early_grace),
        pairing=version.pairing,
        counting=version.counting,
        half_day_below=_in(HOUR, version.half_day_below),
        absent_below=_in(HOUR, version.absent_below),
        debounce=_count(SECOND, version.debounce),
        break_minutes=_count(MINUTE, version.break_time),
        break_after=_count(HOUR, version.break_after),
        rounding=None if rounding is None else RoundingText(minutes=rounding.minutes, mode=rounding.mode),
        overtime_after=_in(MINUTE, version.overtime_after),
        overtime_cap=_in(MINUTE, version.overtime_cap),
        needs_approval=version.overtime_needs_approval,
        count_on_holiday=version.count_on_holiday,
    )


def policy_text(policy: Policy) -> PolicyText:
    """Return a version of a policy as files have it."""
    start = policy.flexible_day_start
    return PolicyText(
        effective_on=max(policy.effective_on, EARLIEST_ON),
        weekly_offs=_weekdays(policy.weekly_offs),
        flexible=start is not None,
        day_start=(start or USUAL_DAY_START).isoformat(),
        expects_attendance=policy.expects_attendance,
        name=policy.name,
    )


def _policies(stored: Sequence[Policy]) -> Iterable[Policy]:
    """Return all versions; a file that names none before them would expect everybody then."""
    return stored if stored and stored[0].effective_on <= EARLIEST_ON else (NO_POLICY, *stored)


def _missing_shifts(schedule: Schedule, overridden: set[str]) -> Iterable[ShiftText]:
    """Return shifts that are named and not recorded: files must say what they name; these never begin."""
    named = {entry.shift_id for entry in schedule.roster} | overridden
    named |= set() if schedule.default_shift is None else {schedule.default_shift}
    missing = named - {version.shift_id for version in schedule.shifts}
    return [
        ShiftText(id=each, start="00:00", end="00:00", effective_on=LATEST_ON) for each in sorted(missing)
    ]


def _roster_text(entry: RosterEntry) -> RosterText:
    rotation = entry.rotation
    return RosterText(
        shift=entry.shift_id,
        starts_on=entry.starts_on,
        until=entry.ends_on,
        weekdays=_weekdays(entry.weekdays),
        rotation=None
        if rotation is None
        else RotationText(length=rotation.length, days=tuple(sorted(rotation.days))),
    )


def _punch_text(punch: Punch, zone: ZoneInfo) -> PunchText:
    at = punch.occurred_at.astimezone(zone).isoformat()
    return PunchText(id=punch.punch_id, at=at, direction=punch.direction, method=punch.method)  # type: ignore[arg-type]


def _corrections(
    facts: PersonFacts, punches: Iterable[Punch], first_on: date, last_on: date
) -> list[CorrectionText]:
    """Return the corrections that days of the range can depend on, and what voids them, in order."""
    first_at, last_at = instants_of(facts.schedule, first_on, last_on)
    kept: set[UUID] = set()
    punch_ids: set[str] = {punch.punch_id for punch in punches}
    for row in facts.corrections:
        is_override = row.attendance_on is not None and first_on <= row.attendance_on <= last_on
        if row.occurred_at is not None and first_at <= row.occurred_at <= last_at:
            kept.add(row.correction_id)
            punch_ids.add(str(row.punch_id))
        elif is_override:
            kept.add(row.correction_id)
    voids = [row for row in facts.corrections if row.kind == "VOID"]
    kept |= {row.correction_id for row in voids if row.punch_id and str(row.punch_id) in punch_ids}
    while more := {
        row.correction_id
        for row in voids
        if row.voided_correction_id in kept and row.correction_id not in kept
    }:
        kept |= more
    ordered = sorted(facts.corrections, key=lambda row: (row.recorded_at, row.correction_id))
    return [_correction_text(row, facts.schedule.zone) for row in ordered if row.correction_id in kept]


def _correction_text(row: CorrectionRow, zone: ZoneInfo) -> CorrectionText:
    made = {"by": row.made_by, "reason": row.reason}
    recorded_at, correction_id = _utc(row.recorded_at), str(row.correction_id)
    if row.kind == "ADD" and row.occurred_at is not None:
        way = None if row.direction is None else Direction(row.direction.lower())
        at = row.occurred_at.astimezone(zone).isoformat()
        return AddText(
            **made, recorded_at=recorded_at, id=correction_id, punch=str(row.punch_id), at=at, direction=way
        )
    if row.kind == "OVERRIDE" and row.attendance_on is not None and row.status is not None:
        return OverrideText(
            **made,
            recorded_at=recorded_at,
            id=correction_id,
            on=row.attendance_on,
            status=Status(row.status),
            shift=row.shift_id,
            worked_minutes=row.worked_minutes or 0,
            overtime_minutes=row.overtime_minutes or 0,
            first_in=_utc(row.first_in_at),
            last_out=_utc(row.last_out_at),
        )
    return VoidText(
        **made,
        recorded_at=recorded_at,
        id=correction_id,
        punch=None if row.punch_id is None else str(row.punch_id),
        correction=None if row.voided_correction_id is None else str(row.voided_correction_id),
    )


def _weekdays(named: frozenset[str]) -> tuple[str, ...]:
    return tuple(day for day in MONDAY_TO_SUNDAY if day in named)


def _in(unit: timedelta, value: timedelta | None) -> float | None:
    return None if value is None else _count(unit, value)


def _count(unit: timedelta, value: timedelta) -> float:
    """Return a whole number as one: files are read by people, too."""
    return value / unit if value % unit else value // unit


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

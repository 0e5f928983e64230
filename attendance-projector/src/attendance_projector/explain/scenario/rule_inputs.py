"""A scenario as the facts that the rules read; what cannot be is an error that names its field."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attendance_projector.domain.absence import Knowledge, cut_at
from attendance_projector.domain.corrections import Addition, Correction, Made, Override, Void
from attendance_projector.domain.facts import (
    InvalidFact,
    Punch,
    PunchId,
    RosterEntry,
    Rotation,
    Rounding,
    RuleError,
    ShiftId,
    ShiftVersion,
)
from attendance_projector.domain.local_time import start_instant
from attendance_projector.domain.schedule import Employment, Leave, Policy, Schedule
from attendance_projector.domain.status import Status
from attendance_projector.explain.scenario.file import (
    AddText,
    OverrideText,
    PolicyText,
    PunchText,
    RosterText,
    Scenario,
    ShiftText,
    VoidText,
)

# Python's calendar ends in the year 9999; the rules look days around each date.
EARLIEST_ON, LATEST_ON = date(1900, 1, 1), date(2199, 12, 31)
LONGEST_RANGE = timedelta(days=3700)
# Where the rules call a field otherwise than the file does.
NAMES_IN_FILE = {"ends_on": "to", "break_time": "break_minutes"}


class ScenarioError(RuleError):
    """A scenario file cannot be read. Correct the field that the message names."""


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the place in the file before the message of what is wrong with its value."""
    try:
        yield
    except ScenarioError:
        raise
    except InvalidFact as error:
        field = NAMES_IN_FILE.get(error.field, error.field)
        problem = str(error).removeprefix(f"{error.field}: ")
        raise ScenarioError(f"{where}.{field}: {problem}".removeprefix(".")) from error
    except (ValueError, OverflowError, OSError, RuleError) as error:
        # ZoneInfo answers a key that names a folder with an OSError.
        raise ScenarioError(f"{where}: {error}") from error


def check_date(where: str, on: date | None) -> date | None:
    """Return the date. Raises ScenarioError when no calendar of a workplace has it."""
    if on is not None and not EARLIEST_ON <= on <= LATEST_ON:
        raise ScenarioError(f"{where}: {on} is not between {EARLIEST_ON} and {LATEST_ON}")
    return on


def schedule_of(scenario: Scenario) -> Schedule:
    """Return the schedule of a scenario. Raises ScenarioError."""
    zone = _zone("site_zone", scenario.site_zone)
    shifts = tuple(shift_of(f"shifts[{index}]", text) for index, text in enumerate(scenario.shifts))
    known = {shift.shift_id for shift in shifts}
    if scenario.default_shift is not None and scenario.default_shift not in known:
        raise ScenarioError(f"default_shift: no shift has the id {scenario.default_shift!r}")
    roster = tuple(_roster(f"roster[{index}]", text, known) for index, text in enumerate(scenario.roster))
    for index, on in enumerate(scenario.holidays):
        check_date(f"holidays[{index}]", on)
    for index, leave in enumerate(scenario.leave):
        check_date(f"leave[{index}].on", leave.on)
    person = scenario.person
    with naming("person"):
        employment = Employment(person.joined_on, person.left_on, person.active)
    policies = _policies(scenario)
    with naming(""):
        return Schedule(
            zone=zone,
            shifts=shifts,
            roster=roster,
            default_shift=None if scenario.default_shift is None else ShiftId(scenario.default_shift),
            holidays=frozenset(scenario.holidays),
            leave=frozenset(Leave(each.on, each.part) for each in scenario.leave),
            employment=employment,
            policies=policies,
        )


def _policies(scenario: Scenario) -> tuple[Policy, ...]:
    """Return the policy at the top of the file, and the versions that take its place."""
    day_start = _time("day_start", scenario.day_start)
    with naming(""):
        policies = [
            Policy(date.min, frozenset(scenario.weekly_offs), day_start if scenario.flexible else None)
        ]
    for index, text in enumerate(scenario.policies):
        policies.append(policy_of(f"policies[{index}]", text))
    return tuple(sorted(policies, key=lambda policy: policy.effective_on))


def policy_of(where: str, text: PolicyText) -> Policy:
    """Return the policy of a version in a file. Raises ScenarioError."""
    check_date(f"{where}.effective_on", text.effective_on)
    start = _time(f"{where}.day_start", text.day_start)
    with naming(where):
        return Policy(
            text.effective_on,
            frozenset(text.weekly_offs),
            start if text.flexible else None,
            text.expects_attendance,
            text.name,
        )


def punches_of(scenario: Scenario, zone: ZoneInfo) -> list[Punch]:
    """Return the punches of a scenario. Raises ScenarioError."""
    return [_punch(f"punches[{index}].at", text, zone) for index, text in enumerate(scenario.punches)]


def knowledge_of(scenario: Scenario, zone: ZoneInfo) -> Knowledge:
    """Return until when something is known. Raises ScenarioError."""
    reported = maybe_instant_of("devices_reported_until", scenario.devices_reported_until, zone)
    return Knowledge(maybe_instant_of("as_of", scenario.as_of, zone), reported)


def parts_of(
    scenario: Scenario, known: Knowledge, until: date | None
) -> Iterator[tuple[date | None, date | None, Knowledge | None]]:
    """Cut the range after the last date on which a day without a punch is shown; None: the last of it."""
    if scenario.range is None or until is None:
        yield *(scenario.range or (None, None)), known
        return
    yield from cut_at(*scenario.range, until, known)


def corrections_of(scenario: Scenario, zone: ZoneInfo) -> list[Correction]:
    """Return the corrections of a scenario. Raises ScenarioError."""
    punch_ids = {punch.id for punch in scenario.punches}
    punch_ids |= {each.punch for each in scenario.corrections if isinstance(each, AddText)}
    correction_ids = {each.id for each in scenario.corrections if each.id is not None}
    shift_ids = {shift.id for shift in scenario.shifts}
    corrections: list[Correction] = []
    for index, text in enumerate(scenario.corrections):
        where = f"corrections[{index}]"
        made = Made(
            text.by, text.reason, maybe_instant_of(f"{where}.recorded_at", text.recorded_at, zone), text.id
        )
        if isinstance(text, VoidText):
            corrections.append(_void(where, text, made, punch_ids, correction_ids))
        elif isinstance(text, AddText):
            at = instant_of(f"{where}.at", text.at, zone)
            punch = Punch(PunchId(text.punch), at, text.direction, "correction")
            corrections.append(Addition(made, punch))
        else:
            corrections.append(_override(where, text, made, shift_ids, zone))
    return corrections


def _void(where: str, text: VoidText, made: Made, punch_ids: set[str], correction_ids: set[str]) -> Void:
    if (text.punch is None) == (text.correction is None):
        raise ScenarioError(f"{where}.punch: name either a punch or a correction to void")
    if text.punch is not None and text.punch not in punch_ids:
        raise ScenarioError(f"{where}.punch: no punch has the id {text.punch!r}")
    if text.correction is not None and text.correction not in correction_ids:
        raise ScenarioError(f"{where}.correction: no correction has the id {text.correction!r}")
    return Void(made, None if text.punch is None else PunchId(text.punch), text.correction)


def _override(where: str, text: OverrideText, made: Made, shift_ids: set[str], zone: ZoneInfo) -> Override:
    check_date(f"{where}.on", text.on)
    if text.status is Status.PENDING:
        raise ScenarioError(f"{where}.status: a day cannot be overridden to PENDING; decide what it is")
    if text.shift is not None and text.shift not in shift_ids:
        raise ScenarioError(f"{where}.shift: no shift has the id {text.shift!r}")
    first_in_at = maybe_instant_of(f"{where}.first_in", text.first_in, zone)
    last_out_at = maybe_instant_of(f"{where}.last_out", text.last_out, zone)
    if first_in_at is not None and last_out_at is not None and last_out_at < first_in_at:
        raise ScenarioError(f"{where}.last_out: {text.last_out} is before first_in")
    return Override(
        made=made,
        on=text.on,
        status=text.status,
        shift_id=None if text.shift is None else ShiftId(text.shift),
        worked=timedelta(minutes=text.worked_minutes),
        overtime=timedelta(minutes=text.overtime_minutes),
        first_in_at=first_in_at,
        last_out_at=last_out_at,
    )


def _zone(where: str, name: str) -> ZoneInfo:
    with naming(where):
        try:
            return ZoneInfo(name)
        except KeyError as error:
            raise ScenarioError(f"{where}: {name!r} is no IANA time zone") from error


def _time(where: str, text: str) -> time:
    with naming(where):
        value = time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ScenarioError(f"{where}: {text!r} has an offset; give local time")
    return value


def _minutes(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)


def _hours(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(hours=value)


def shift_of(where: str, text: ShiftText) -> ShiftVersion:
    """Return the shift of a version in a file. Raises ScenarioError."""
    start, end = _time(f"{where}.start", text.start), _time(f"{where}.end", text.end)
    zone = None if text.time_zone is None else _zone(f"{where}.time_zone", text.time_zone)
    rounding = text.rounding
    with naming(where):
        return ShiftVersion(
            shift_id=ShiftId(text.id),
            start=start,
            end=end,
            effective_on=text.effective_on,
            zone=zone,
            window_before=timedelta(minutes=text.window_before),
            window_after=timedelta(minutes=text.window_after),
            late_grace=_minutes(text.late_grace),
            early_grace=_minutes(text.early_grace),
            pairing=text.pairing,
            counting=text.counting,
            half_day_below=_hours(text.half_day_below),
            absent_below=_hours(text.absent_below),
            debounce=timedelta(seconds=text.debounce),
            break_time=timedelta(minutes=text.break_minutes),
            break_after=timedelta(hours=text.break_after),
            rounding=None if rounding is None else Rounding(rounding.minutes, rounding.mode),
            overtime_after=_minutes(text.overtime_after),
            overtime_cap=_minutes(text.overtime_cap),
            overtime_needs_approval=text.needs_approval,
            count_on_holiday=text.count_on_holiday,
        )


def _roster(where: str, text: RosterText, known: set[ShiftId]) -> RosterEntry:
    if text.shift not in known:
        raise ScenarioError(f"{where}.shift: no shift has the id {text.shift!r}")
    with naming(where):
        rotation = (
            None if text.rotation is None else Rotation(text.rotation.length, frozenset(text.rotation.days))
        )
        return RosterEntry(
            ShiftId(text.shift), text.starts_on, text.until, frozenset(text.weekdays), rotation
        )


def _punch(where: str, text: PunchText, zone: ZoneInfo) -> Punch:
    return Punch(PunchId(text.id), instant_of(where, text.at, zone), text.direction, text.method)


def instant_of(where: str, text: str, zone: ZoneInfo) -> datetime:
    """Read an instant; without an offset it is local time, and of a time that comes twice, the first."""
    with naming(where):
        at = datetime.fromisoformat(text)
        check_date(where, at.date())
        if ":" not in text and "T" not in text:
            raise ScenarioError(f"{where}: {text!r} has no time of day")
        return start_instant(at.date(), at.time(), zone) if at.tzinfo is None else at.astimezone(UTC)


def maybe_instant_of(where: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    """Read an instant that may be absent. Raises ScenarioError."""
    return None if text is None else instant_of(where, text, zone)

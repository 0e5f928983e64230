"""Locked periods: the day stays as it was paid, and an adjustment in an open period carries the difference.

For every day, what is stored, what is settled and what is still to be adjusted add up to what the rules say
now. A day belongs to the oldest lock over it. Source: docs/attendance/periods.md and decision 0017.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from attendance_projector.domain.corrections import Made
from attendance_projector.domain.counting import hours_text
from attendance_projector.domain.day import AttendanceDay
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import InvalidFact, ShiftId
from attendance_projector.domain.status import Status

ONE_DAY = timedelta(days=1)
DayKey = tuple[date, ShiftId]


@dataclass(frozen=True, slots=True)
class PeriodLock:
    """Payroll is closed from `starts_on` until `ends_on`, both inclusive."""

    lock_id: str
    starts_on: date
    ends_on: date
    made: Made

    def __post_init__(self) -> None:
        if self.ends_on < self.starts_on:
            raise InvalidFact("ends_on", f"{self.ends_on} is before {self.starts_on}, when the period starts")

    def covers(self, on: date) -> bool:
        """Say whether the date is in the period."""
        return self.starts_on <= on <= self.ends_on

    @property
    def order(self) -> tuple[datetime, str, str, str]:
        """Sort key: the one recorded first keeps the day."""
        return self.made.order

    @property
    def text(self) -> str:
        """The period, who closed it, when and why, for people."""
        return f"the period {self.starts_on} to {self.ends_on} was closed {self.made.text}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What payroll takes of a day; no status is no day."""

    status: Status | None = None
    worked_minutes: int = 0
    overtime_minutes: int = 0
    late_minutes: int = 0
    early_minutes: int = 0
    break_minutes: int = 0

    @property
    def minutes(self) -> tuple[int, int, int, int, int]:
        """Worked, overtime, late, early, break."""
        return (
            self.worked_minutes,
            self.overtime_minutes,
            self.late_minutes,
            self.early_minutes,
            self.break_minutes,
        )


NO_DAY = Figures()


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a day differs by from what was paid. `settled_by`: the lock with which the adjustment was paid."""

    attendance_on: date
    shift_id: ShiftId
    booked_on: date
    status_from: Status | None
    status_to: Status | None
    worked_minutes: int
    overtime_minutes: int
    late_minutes: int
    early_minutes: int
    break_minutes: int
    explanation: tuple[Explanation, ...] = ()
    settled_by: str | None = None

    @property
    def key(self) -> DayKey:
        """The day that it is about."""
        return self.attendance_on, self.shift_id

    def after(self, paid: Figures) -> Figures:
        """Return what is paid in all, with this on top of what was paid before."""
        mine = Figures(
            self.status_to,
            self.worked_minutes,
            self.overtime_minutes,
            self.late_minutes,
            self.early_minutes,
            self.break_minutes,
        )
        added = (one + other for one, other in zip(paid.minutes, mine.minutes, strict=True))
        return Figures(self.status_to, *added)


@dataclass(frozen=True, slots=True)
class Closing:
    """What was locked of one person: the days as they stood, and the adjustments paid with them."""

    lock: PeriodLock
    days: tuple[AttendanceDay, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()


def figures_of(day: AttendanceDay) -> Figures:
    """Return what payroll takes of a day."""
    return Figures(
        day.status,
        day.worked_minutes,
        day.overtime_minutes,
        day.late_minutes,
        day.early_minutes,
        day.break_minutes,
    )


def figures_and_reasons(day: AttendanceDay | None) -> tuple[Figures, Sequence[Explanation]]:
    """Return what payroll takes of a day by the rules, and why; nothing where they say that there is none."""
    return (NO_DAY, ()) if day is None else (figures_of(day), day.explanation)


def lock_on(locks: Iterable[PeriodLock], on: date) -> PeriodLock | None:
    """Return the lock that keeps the days of a date: the oldest over it."""
    return min((lock for lock in locks if lock.covers(on)), key=lambda lock: lock.order, default=None)


def first_open_date(locks: Sequence[PeriodLock], on: date) -> date:
    """Return the date itself, or the first one after it that no lock covers: where a difference is booked."""
    while ends := [lock.ends_on for lock in locks if lock.covers(on)]:
        on = max(ends) + ONE_DAY
    return on


def settled_adjustments(
    recorded: Iterable[tuple[str, Adjustment]], locks: Sequence[PeriodLock]
) -> list[Adjustment]:
    """Return the adjustments that were paid, of those recorded with each lock id, oldest first.

    A lock settles what is booked on the dates that it keeps; two locks over one date do not settle it twice.
    """
    settled = [
        replace(each, settled_by=lock_id)
        for lock_id, each in recorded
        if (keeping := lock_on(locks, each.booked_on)) is not None and keeping.lock_id == lock_id
    ]
    return sorted(settled, key=lambda each: (each.key, each.booked_on))


def with_all(stored: Figures, adjustments: Iterable[Adjustment]) -> Figures:
    """Return what a day comes to with its adjustments: settled ones, oldest first, then what is due."""
    for each in adjustments:
        stored = each.after(stored)
    return stored


def adjustment_of(
    key: DayKey,
    stored: Figures,
    settled: Iterable[Adjustment],
    due: Figures,
    locks: Sequence[PeriodLock],
    why: Iterable[Explanation] = (),
) -> Adjustment | None:
    """Return what is still to be adjusted of a day; None when payroll and the rules agree.

    stored: the day as it stands. settled: what was paid on top of it, oldest first. due: what the rules say,
    and why.
    """
    paid = with_all(stored, settled)
    if paid == due:
        return None
    on, shift_id = key
    booked_on = first_open_date(locks, on)
    worked, overtime, late, early, deducted = (
        one - other for one, other in zip(due.minutes, paid.minutes, strict=True)
    )
    adjustment = Adjustment(
        *(on, shift_id, booked_on, paid.status, due.status),
        worked_minutes=worked,
        overtime_minutes=overtime,
        late_minutes=late,
        early_minutes=early,
        break_minutes=deducted,
    )
    lock = lock_on(locks, on)
    kept = "the period was reopened" if lock is None else f"{lock.text}; the day stays as it was then"
    reasons = [Explanation(Rule.PERIOD_LOCK, None, kept)]
    reasons.append(Explanation(Rule.ADJUSTMENT, None, _difference_text(adjustment)))
    return replace(adjustment, explanation=(*reasons, *why))


def keep_closed(
    now: Sequence[AttendanceDay], closings: Sequence[Closing]
) -> tuple[list[AttendanceDay], list[Adjustment]]:
    """Return the days as stored and all adjustments, from what the rules say now and what was locked.

    now: the days of one person, of all dates asked for. Days come in the order of their date.
    """
    locks = [closing.lock for closing in closings]
    locked = {
        _key(day): day
        for closing in closings
        for day in closing.days
        if lock_on(locks, day.attendance_on) == closing.lock
    }
    by_rule = {_key(day): day for day in now}
    open_days = [day for day in now if lock_on(locks, day.attendance_on) is None]
    recorded = [(closing.lock.lock_id, each) for closing in closings for each in closing.adjustments]
    settled = settled_adjustments(recorded, locks)
    stored = {**locked, **{_key(day): day for day in open_days}}
    adjustments = list(settled)
    for key in sorted({*by_rule, *locked, *(each.key for each in settled)}):
        stands = figures_of(stored[key]) if key in stored else NO_DAY
        of_day = [each for each in settled if each.key == key]
        due, why = figures_and_reasons(by_rule.get(key))
        adjustment = adjustment_of(key, stands, of_day, due, locks, why)
        adjustments += [] if adjustment is None else [adjustment]
    days = sorted([*locked.values(), *open_days], key=lambda day: day.attendance_on)
    return days, sorted(adjustments, key=lambda each: (each.booked_on, each.key))


def close_period(lock: PeriodLock, now: Sequence[AttendanceDay], closings: Sequence[Closing]) -> Closing:
    """Return what a lock records: the days of its period as they stand, and the adjustments booked in it."""
    days, adjustments = keep_closed(now, closings)
    return Closing(
        lock,
        tuple(day for day in days if lock.covers(day.attendance_on)),
        tuple(each for each in adjustments if each.settled_by is None and lock.covers(each.booked_on)),
    )


def _key(day: AttendanceDay) -> DayKey:
    return day.attendance_on, day.shift_id


def _difference_text(adjustment: Adjustment) -> str:
    named = (
        ("worked", adjustment.worked_minutes),
        ("overtime", adjustment.overtime_minutes),
        ("late", adjustment.late_minutes),
        ("early", adjustment.early_minutes),
        ("break", adjustment.break_minutes),
    )
    parts = [f"{name} {_signed(minutes)}" for name, minutes in named if minutes]
    if adjustment.status_from != adjustment.status_to:
        before, after = (status or "no day" for status in (adjustment.status_from, adjustment.status_to))
        parts.insert(0, f"{before} became {after}")
    return f"{', '.join(parts)}; booked on {adjustment.booked_on}, the first open date"


def _signed(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{hours_text(timedelta(minutes=abs(minutes)))}"

"""Which months are kept, and what that leaves of older ones: pure dates.

Of each table a number of whole months before the current one is kept. The oldest month of punches is final:
facts about it are refused, because days at the beginning of the next month can still depend on its punches.
The last days of it, which have all their punches, may still change by facts of that next month.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from attendance_projector.domain.facts import LONGEST_WINDOW
from attendance_projector.domain.shift_windows import REACH_BACK

# No punch belongs to a day farther away than this. Twice this is less than a month.
REACH = LONGEST_WINDOW + REACH_BACK
ONE_MONTH_AT_MOST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class KeptMonths:
    """How many whole months before the current one are kept of each table; None: all."""

    captures: int | None = None
    punches: int | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """The first month that is kept of each table, as its first day; None: every month.

    earliest_on: the first date of the installation. What is earlier was never recorded, and never counts.
    """

    captures_from: date | None = None
    punches_from: date | None = None
    days_from: date | None = None
    earliest_on: date | None = None

    @property
    def firsts(self) -> Mapping[str, date | None]:
        """The first month that is kept, by what is kept."""
        return {"captures": self.captures_from, "punches": self.punches_from, "days": self.days_from}

    def not_beyond(self, open_from: date | None) -> "Retention":
        """Return it held back, so that facts about this date on count; None: payroll closes no periods.

        A fact about a local date can be of some UTC days before.
        """
        if open_from is None:
            return self
        last = months_before(month_of(open_from - REACH), 1)
        return Retention(*(None if each is None else min(each, last) for each in self.firsts.values()))

    @property
    def closed_before(self) -> date | None:
        """Days before this date have to be closed by payroll; None: nothing is dropped.

        Whether later ones are does not hold the retention back: see `not_beyond`.
        """
        last = max((each for each in self.firsts.values() if each is not None), default=None)
        return None if last is None else month_after(last) + REACH

    @property
    def facts_from(self) -> date | None:
        """First UTC date of punches and corrections that still count; None: all do."""
        return None if self.punches_from is None else month_after(self.punches_from)

    @property
    def decisions_from(self) -> date | None:
        """First UTC date of captures whose decisions still count; None: all do."""
        known = [each for each in (self.facts_from, self.captures_from) if each is not None]
        return max(known, default=None)

    @property
    def computed_from(self) -> date | None:
        """First local date whose days are computed; None: those of all dates are."""
        return _later(self.final_before, self.earliest_on)

    @property
    def final_before(self) -> date | None:
        """Days of earlier local dates stay as they are for ever; None: none are final."""
        return None if self.facts_from is None else self.facts_from - REACH


def month_of(on: date) -> date:
    """Return the first day of the month."""
    return on.replace(day=1)


def month_after(month: date) -> date:
    """Return the first day of the next month."""
    return month_of(month + ONE_MONTH_AT_MOST)


def months_between(first_on: date, last_on: date) -> Iterator[date]:
    """Yield the first day of each month from one date to the other."""
    month = month_of(first_on)
    while month <= last_on:
        yield month
        month = month_after(month)


def months_before(month: date, count: int) -> date:
    """Return the first day of the month that lies `count` months before."""
    number = month.year * 12 + month.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def retention_of(
    today: date, keep: KeptMonths, before: Retention | None = None, open_from: date | None = None
) -> Retention:
    """Return the retention that keeps so many whole months before this one; it never goes back.

    Months that payroll has not closed are kept, too: those from `open_from` on.
    """
    wanted = Retention(
        *(
            None if count is None else months_before(month_of(today), count)
            for count in (keep.captures, keep.punches, keep.days)
        )
    )
    wanted = wanted.not_beyond(open_from)
    if before is None:
        return wanted
    return Retention(
        _later(wanted.captures_from, before.captures_from),
        _later(wanted.punches_from, before.punches_from),
        _later(wanted.days_from, before.days_from),
    )


def _later(one: date | None, other: date | None) -> date | None:
    return max((each for each in (one, other) if each is not None), default=None)

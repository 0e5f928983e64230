"""Work the backlog off, a bounded part in each transaction, between the batches of new facts.

1. claim    one projector at a time works it off;
2. lock     the people of the spans that have waited longest, as a batch of punches would;
3. compute  their dates, so many at most, by what is known now;
4. replace  the spans by what is left of them, in the same transaction: after a kill it goes on where it was.

When nothing holds a lock of a period up any more, its days are told, as they are with a lock that finds no
backlog.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from attendance_projector.domain.touched import DateSpan
from attendance_projector.projection.backlog.ports import StaleSpan
from attendance_projector.projection.days.read_inputs import stale_of_people
from attendance_projector.projection.days.recompute_days import recompute_days
from attendance_projector.projection.days.stale_dates import DatesChanged, DatesWaited
from attendance_projector.projection.periods.tell_locked_days import tell_locked_days
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import FactKey, PersonKey

# So few that a punch of one of these people waits for some 100 ms.
PEOPLE_PER_PART = 50
DATES_PER_PART = 500
# What an open span is taken for until the person's days bound it: a season.
DATES_OF_OPEN_SPAN = 100

Spans = list[tuple[date, date]]


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """What a transaction did; `is_idle`: there was nothing to do for it."""

    day_count: int = 0
    is_idle: bool = False


async def work_off(
    transaction: Transaction,
    people: int = PEOPLE_PER_PART,
    dates: int = DATES_PER_PART,
    trying: Callable[[Sequence[StaleSpan]], None] = lambda _spans: None,
) -> WorkedOff:
    """Compute the dates that have waited longest, of so many people and so many of them at most.

    trying: hears of which spans these are, before they are computed.
    """
    if not await transaction.backlog.claim():
        return WorkedOff(is_idle=True)
    spans = first_spans(await transaction.backlog.oldest(people), dates)
    if not spans:
        return WorkedOff(is_idle=not await _tell_a_lock(transaction))
    await transaction.positions.join_everyone({each.person.org_id for each in spans})
    await transaction.positions.lock_people({each.person for each in spans})
    spans = await transaction.backlog.keep([each.number for each in spans])
    trying(spans)
    waited: dict[PersonKey, list[DatesWaited]] = {}
    for each in spans:
        waited.setdefault(each.person, []).append(DatesWaited(each.span))
    stale = await stale_of_people(transaction, waited)
    now, left = first_dates(stale, dates)
    changes = {person: [DatesChanged(*span) for span in of_person] for person, of_person in now.items()}
    day_count = await recompute_days(transaction, changes, [])
    await transaction.backlog.replace(spans, _numbered(left, spans))
    return WorkedOff(day_count)


async def set_aside(transaction: Transaction, spans: Sequence[StaleSpan], reason: str) -> Sequence[StaleSpan]:
    """Set spans aside whose days cannot be computed; return those that nobody else has taken out since."""
    if not await transaction.backlog.claim():
        return ()
    left = await transaction.backlog.keep([each.number for each in spans])
    await transaction.backlog.refuse(left, reason)
    return left


def first_spans(spans: Sequence[StaleSpan], limit: int) -> Sequence[StaleSpan]:
    """Take spans until they may have so many dates: nobody's days are read, or kept waiting, for nothing."""
    taken: list[StaleSpan] = []
    for each in spans:
        if limit <= 0:
            break
        taken.append(each)
        first_on, last_on = each.span.first_on, each.span.last_on
        if first_on is None or last_on is None:
            limit -= DATES_OF_OPEN_SPAN
        else:
            limit -= (last_on - first_on).days + 1
    return taken


def first_dates(
    stale: Mapping[PersonKey, Spans], limit: int
) -> tuple[dict[PersonKey, Spans], dict[PersonKey, Spans]]:
    """Part so many dates, person by person, from those that are left."""
    now: dict[PersonKey, Spans] = {}
    left: dict[PersonKey, Spans] = {}
    for person, spans in stale.items():
        for first_on, last_on in spans:
            size = (last_on - first_on).days + 1
            taken = min(size, limit)
            limit -= taken
            middle = first_on.toordinal() + taken
            if taken:
                now.setdefault(person, []).append((first_on, date.fromordinal(middle - 1)))
            if taken < size:
                left.setdefault(person, []).append((date.fromordinal(middle), last_on))
    return now, left


def _numbered(left: Mapping[PersonKey, Spans], spans: Sequence[StaleSpan]) -> list[StaleSpan]:
    """Return what is left of each person, under the numbers that the person's spans had."""
    numbers: dict[PersonKey, list[int]] = {}
    for each in spans:
        numbers.setdefault(each.person, []).append(each.number)
    return [
        StaleSpan(number, person, DateSpan(*span))
        for person, of_person in left.items()
        # Spans were joined and clipped, so that there are no more than before.
        for number, span in zip(sorted(numbers[person]), of_person, strict=False)
    ]


async def _tell_a_lock(transaction: Transaction) -> bool:
    """Tell the days of a lock that waited for the backlog; say whether there was one."""
    lock = await transaction.backlog.next_lock()
    if lock is None:
        return False
    await transaction.positions.join_everyone({lock.org_id}, alone={lock.org_id})
    if await transaction.backlog.holds_up(lock):
        return True
    key = FactKey(lock.org_id, lock.lock_id)
    known = (await transaction.periods.known([key])).get(key)
    if known is not None and known.sealing_id is None and known.reopened_at is None:
        await tell_locked_days(lock, transaction.periods, transaction.outbox)
    await transaction.backlog.remove_lock(lock)
    return True

"""Record locks of periods, what stood then, and reopenings, and find out which days that changes.

A lock has one content for ever; of its numbers of people and its reopenings the first stays, and so do the
days of a person that were recorded first. Its parts may come in any order: it is in force once all are here.
A lock over a final day is for ever: its days could not be computed any more.

A lock reaches the site that it names, or the whole organisation; so does the authority that it takes. A
reopening may come before its lock, so it is judged by itself: it takes an authority for every site.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from attendance_projector.domain.authority import covers
from attendance_projector.projection.days.stale_dates import Change, DatesChanged
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.periods.rebook_final import final_part, rebook_final
from attendance_projector.projection.periods.stored import KnownPeriod
from attendance_projector.projection.refusals import OUT_OF_SCOPE, Reason, Refuse
from attendance_projector.projection.stored import FactKey, PersonDates, PersonKey
from attendance_schemas.events import DaysLocked, PeriodLocked, PeriodReopened, PeriodSealed

PeriodEvent = PeriodLocked | PeriodSealed | PeriodReopened | DaysLocked
CONTENT = ("site_id", "starts_on", "ends_on", "reason", "recorded_at")


@dataclass(frozen=True, slots=True)
class RecordedPeriods:
    """What became stale, by person, and the locks whose days nobody has told yet."""

    changes: Mapping[PersonKey, Sequence[Change]]
    untold: Sequence[PeriodLocked]


async def record_periods(
    received: Sequence[PeriodEvent],
    periods: Periods,
    refuse: Refuse,
    *,
    final_before: date | None = None,
    is_live: bool = True,
) -> RecordedPeriods:
    """Store the events and decide which locks are in force; the transaction holds the lock on everyone.

    final_before: earlier days stay as they are for ever; None: none do. Refused are what reaches beyond its
    maker's authority, a second content of one lock id, and the reopening of a lock over final days; a rebuild
    passes over the last, since the locks that were reopened in time are there.
    """
    if not received:
        return RecordedPeriods({}, ())
    named = {_lock_of(event) for event in received}
    known = await periods.known(named)
    locked = _new_locks(received, known, refuse)
    await periods.store_locks(locked)
    await periods.store_person_counts([event for event in received if isinstance(event, PeriodSealed)])
    starts = {lock: each.starts_on for lock, each in known.items()}
    starts |= {_lock_of(each): each.starts_on for each in locked}
    first = {lock: each.reopening_id for lock, each in known.items() if each.reopening_id is not None}
    reopened = _reopenings(received, starts, first, final_before, refuse, is_live=is_live)
    await periods.store_reopenings(reopened)
    await periods.store_days([event for event in received if isinstance(event, DaysLocked)])
    changes: dict[PersonKey, list[Change]] = {}
    spans: list[PersonDates] = []
    for lock, in_force in (await periods.decide_force(named)).items():
        for stale in await periods.stale_days(lock):
            spans.append(stale)
            changes.setdefault(stale.person, []).append(DatesChanged(stale.first_on, stale.last_on))
        if not in_force:
            # What is still due of them is computed again below; of final days nothing is.
            await periods.forget_adjustments(lock, final_before)
    await rebook_final(periods, final_part(spans, final_before))
    after = await periods.known(set(map(_lock_of, locked))) if locked else {}
    return RecordedPeriods(changes, tuple(_untold(locked, after)))


def _reopenings(
    received: Iterable[PeriodEvent],
    starts: Mapping[FactKey, date | None],
    first: dict[FactKey, UUID],
    final_before: date | None,
    refuse: Refuse,
    *,
    is_live: bool,
) -> list[PeriodReopened]:
    """Return the reopenings that count: the first of each lock, which are added to `first`."""
    found = []
    for event in received:
        if not isinstance(event, PeriodReopened):
            continue
        starts_on = starts.get(_lock_of(event))
        is_final = final_before is not None and starts_on is not None and starts_on < final_before
        if not covers(event.authority.sites, None):
            refuse(event, _beyond(event, f"reopening {event.reopening_id} may reach every site"))
        elif first.get(_lock_of(event), event.reopening_id) != event.reopening_id:
            refuse(event, Reason("already-reopened", f"lock {event.lock_id} was reopened before this"))
        elif not is_final:
            first[_lock_of(event)] = event.reopening_id
            found.append(event)
        elif is_live:
            detail = (
                f"lock {event.lock_id} begins on {starts_on}, and days before {final_before} are final; it "
                "stays in force, and what is learned about its other days becomes adjustments"
            )
            refuse(event, Reason("month-no-longer-kept", detail))
    return found


def _new_locks(
    received: Iterable[PeriodEvent], known: Mapping[FactKey, KnownPeriod], refuse: Refuse
) -> list[PeriodLocked]:
    new: dict[FactKey, PeriodLocked] = {}
    for event in received:
        if not isinstance(event, PeriodLocked):
            continue
        key = _lock_of(event)
        stored = known.get(key)
        first: KnownPeriod | PeriodLocked | None = new.get(key)
        if first is None and stored is not None and stored.recorded_at is not None:
            first = stored
        if not covers(event.authority.sites, event.site_id):
            where = "every site" if event.site_id is None else event.site_id
            refuse(event, _beyond(event, f"lock {event.lock_id} is of {where}"))
        elif first is None:
            new[key] = event
        elif _content(first) != _content(event):
            detail = (
                f"lock {event.lock_id} says something else than the first one with this id, which stays; "
                "reopen that one, or lock with a new id"
            )
            refuse(event, Reason("second-content", detail))
    return list(new.values())


def _beyond(event: PeriodLocked | PeriodReopened, what: str) -> Reason:
    sites = ", ".join(event.authority.sites or ())
    detail = f"{what}, and {event.authority.subject} acts for {sites} only; ask somebody who acts for all"
    return Reason(OUT_OF_SCOPE, detail)


def _lock_of(event: PeriodEvent) -> FactKey:
    return FactKey(event.org_id, event.lock_id)


def _content(lock: KnownPeriod | PeriodLocked) -> tuple[object, ...]:
    made_by = lock.authority.subject if isinstance(lock, PeriodLocked) else lock.made_by
    return (made_by, *(getattr(lock, name) for name in CONTENT))


def _untold(locked: Iterable[PeriodLocked], known: Mapping[FactKey, KnownPeriod]) -> Iterable[PeriodLocked]:
    for lock in locked:
        stored = known[_lock_of(lock)]
        if stored.sealing_id is None and stored.reopened_at is None:
            yield lock

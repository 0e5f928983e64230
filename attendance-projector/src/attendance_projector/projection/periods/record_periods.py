"""Record locks of periods, what stood then, and reopenings, and find out which days that changes.

A lock has one content for ever; of its numbers of people and its reopenings the first stays, and so do the
days of a person that were recorded first. Its parts may come in any order: it is in force once all are here.
A lock over a final day is for ever: its days could not be computed any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from attendance_projector.projection.days.stale_dates import Change, DatesChanged
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.periods.rebook_final import final_part, rebook_final
from attendance_projector.projection.periods.stored import KnownPeriod
from attendance_projector.projection.stored import FactKey, PersonDates, PersonKey
from attendance_schemas.events import DaysLocked, PeriodLocked, PeriodReopened, PeriodSealed
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record

PeriodEvent = PeriodLocked | PeriodSealed | PeriodReopened | DaysLocked
CONTENT = ("site_id", "starts_on", "ends_on", "made_by", "reason", "recorded_at")


@dataclass(frozen=True, slots=True)
class ReceivedPeriodEvent:
    """A period event and the record that carried it."""

    record: Record
    event: PeriodEvent


@dataclass(frozen=True, slots=True)
class RecordedPeriods:
    """What became stale, by person, and the locks whose days nobody has told yet."""

    changes: Mapping[PersonKey, Sequence[Change]]
    untold: Sequence[PeriodLocked]


async def record_periods(
    received: Sequence[ReceivedPeriodEvent],
    periods: Periods,
    *,
    final_before: date | None = None,
    is_live: bool = True,
) -> RecordedPeriods:
    """Store the events and decide which locks are in force; the transaction holds the lock on everyone.

    final_before: earlier days stay as they are for ever; None: none do. Raises PoisonRecord, naming the
    record, for a second content of one lock id, and for the reopening of a lock over final days; a rebuild
    passes over these, since the locks that were reopened in time are there.
    """
    if not received:
        return RecordedPeriods({}, ())
    named = {_lock_of(each.event) for each in received}
    known = await periods.known(named)
    locked = _new_locks(received, known)
    await periods.store_locks(locked)
    await periods.store_person_counts(
        [each.event for each in received if isinstance(each.event, PeriodSealed)]
    )
    await periods.store_reopenings(_reopenings(received, known, locked, final_before, is_live=is_live))
    await periods.store_days([each.event for each in received if isinstance(each.event, DaysLocked)])
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
    received: Iterable[ReceivedPeriodEvent],
    known: Mapping[FactKey, KnownPeriod],
    locked: Iterable[PeriodLocked],
    final_before: date | None,
    *,
    is_live: bool,
) -> list[PeriodReopened]:
    """Return the reopenings that count."""
    starts = {lock: each.starts_on for lock, each in known.items()}
    starts |= {_lock_of(each): each.starts_on for each in locked}
    found = []
    for each in received:
        if not isinstance(each.event, PeriodReopened):
            continue
        starts_on = starts.get(_lock_of(each.event))
        if final_before is None or starts_on is None or starts_on >= final_before:
            found.append(each.event)
        elif is_live:
            raise PoisonRecord(
                "month-no-longer-kept",
                f"lock {each.event.lock_id} begins on {starts_on}, and days before {final_before} are final; "
                "it stays in force, and what is learned about its other days becomes adjustments",
                record=each.record,
            )
    return found


def _new_locks(
    received: Iterable[ReceivedPeriodEvent], known: Mapping[FactKey, KnownPeriod]
) -> list[PeriodLocked]:
    new: dict[FactKey, PeriodLocked] = {}
    for each in received:
        if not isinstance(each.event, PeriodLocked):
            continue
        key = _lock_of(each.event)
        stored = known.get(key)
        first: KnownPeriod | PeriodLocked | None = new.get(key)
        if first is None and stored is not None and stored.recorded_at is not None:
            first = stored
        if first is not None and _content(first) != _content(each.event):
            raise PoisonRecord(
                "second-content",
                f"lock {each.event.lock_id} says something else than the first one with this id, which "
                "stays; reopen that one, or lock with a new id",
                record=each.record,
            )
        if first is None:
            new[key] = each.event
    return list(new.values())


def _lock_of(event: PeriodEvent) -> FactKey:
    return FactKey(event.org_id, event.lock_id)


def _content(lock: KnownPeriod | PeriodLocked) -> tuple[object, ...]:
    return tuple(getattr(lock, name) for name in CONTENT)


def _untold(locked: Iterable[PeriodLocked], known: Mapping[FactKey, KnownPeriod]) -> Iterable[PeriodLocked]:
    for lock in locked:
        stored = known[_lock_of(lock)]
        if stored.sealing_id is None and stored.reopened_at is None:
            yield lock

"""Record locks of periods, what stood then, and reopenings, and find out which days that changes.

A lock has one content for ever; of its seals and reopenings the first stays, and so does the first that was
recorded of a person. Whatever comes first: a lock is in force once all of it is here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from attendance_projector.period_ports import Periods
from attendance_projector.stale_dates import Change, DatesChanged
from attendance_projector.stored_periods import KnownPeriod
from attendance_schemas.events import DaysLocked, PeriodLocked, PeriodReopened, PeriodSealed
from service_kit.errors import PoisonRecord
from service_kit.records import Record

PeriodEvent = PeriodLocked | PeriodSealed | PeriodReopened | DaysLocked
CONTENT = ("org_id", "site_id", "starts_on", "ends_on", "made_by", "reason", "recorded_at")


@dataclass(frozen=True, slots=True)
class ReceivedPeriodEvent:
    """A period event and the record that carried it."""

    record: Record
    event: PeriodEvent


@dataclass(frozen=True, slots=True)
class RecordedPeriods:
    """What became stale, by person, and the locks that nobody has sealed yet."""

    changes: Mapping[str, Sequence[Change]]
    unsealed: Sequence[PeriodLocked]


async def record_periods(received: Sequence[ReceivedPeriodEvent], periods: Periods) -> RecordedPeriods:
    """Store the events and decide which locks are in force; the transaction holds the lock on everyone.

    Raises PoisonRecord, naming the record, for a second content of one lock id.
    """
    if not received:
        return RecordedPeriods({}, ())
    lock_ids = {each.event.lock_id for each in received}
    known = await periods.known(lock_ids)
    locked = _new_locks(received, known)
    await periods.store_locks(locked)
    await periods.store_seals([each.event for each in received if isinstance(each.event, PeriodSealed)])
    await periods.store_reopenings(
        [each.event for each in received if isinstance(each.event, PeriodReopened)]
    )
    await periods.store_days([each.event for each in received if isinstance(each.event, DaysLocked)])
    changes: dict[str, list[Change]] = {}
    for lock_id, in_force in (await periods.decide_force(lock_ids)).items():
        for stale in await periods.stale_days(lock_id):
            changes.setdefault(stale.person_id, []).append(DatesChanged(stale.first_on, stale.last_on))
        if not in_force:
            # What is still due of them is computed again below.
            await periods.forget_adjustments(lock_id)
    after = await periods.known({each.lock_id for each in locked}) if locked else {}
    return RecordedPeriods(changes, tuple(_unsealed(locked, after)))


def _new_locks(
    received: Iterable[ReceivedPeriodEvent], known: Mapping[UUID, KnownPeriod]
) -> list[PeriodLocked]:
    new: dict[UUID, PeriodLocked] = {}
    for each in received:
        if not isinstance(each.event, PeriodLocked):
            continue
        stored = known.get(each.event.lock_id)
        first: KnownPeriod | PeriodLocked | None = new.get(each.event.lock_id)
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
            new[each.event.lock_id] = each.event
    return list(new.values())


def _content(lock: KnownPeriod | PeriodLocked) -> tuple[object, ...]:
    return tuple(getattr(lock, name) for name in CONTENT)


def _unsealed(locked: Iterable[PeriodLocked], known: Mapping[UUID, KnownPeriod]) -> Iterable[PeriodLocked]:
    for lock in locked:
        stored = known[lock.lock_id]
        if stored.sealing_id is None and stored.reopened_at is None:
            yield lock

"""Tell the days of a locked period as they stand, person by person, through the outbox.

Only the live projector does, in the transaction that applies the lock; the lock is in force once what was
told came back. Days of one lock that are told twice, as after the loss of the database, are told
apart by an id.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.periods.stored import StoodThen
from attendance_projector.projection.ports import Outbox
from attendance_schemas.events import DaysLocked, PeriodLocked, PeriodSealed
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import LOCKED_DAYS

# The days of so many people are in memory at a time.
PEOPLE_AT_ONCE = 1000


async def tell_locked_days(
    lock: PeriodLocked,
    periods: Periods,
    outbox: Outbox,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], UUID] = uuid4,
) -> int:
    """Tell the days of a lock as they stand, and how many people's; return that number.

    The transaction holds the lock on everyone, and has computed all days that its facts make stale.
    """
    telling_id, recorded_at = new_id(), now()
    people = await periods.people_of(lock)
    for person_ids in _parts(people):
        stood = await periods.stood(lock, person_ids)
        told = [
            _days_locked(lock, telling_id, recorded_at, each, stood.get(each, StoodThen()))
            for each in person_ids
        ]
        await outbox.add(LOCKED_DAYS, told)
    whole = PeriodSealed(
        occurred_at=lock.occurred_at,
        recorded_at=recorded_at,
        org_id=lock.org_id,
        event_id=deterministic_id("PeriodSealed", lock.lock_id, telling_id),
        lock_id=lock.lock_id,
        sealing_id=telling_id,
        person_count=len(people),
    )
    await outbox.add(LOCKED_DAYS, [whole])
    return len(people)


def _days_locked(
    lock: PeriodLocked, telling_id: UUID, recorded_at: datetime, person_id: str, stood: StoodThen
) -> DaysLocked:
    return DaysLocked(
        occurred_at=lock.occurred_at,
        recorded_at=recorded_at,
        org_id=lock.org_id,
        event_id=deterministic_id("DaysLocked", lock.lock_id, telling_id, person_id),
        lock_id=lock.lock_id,
        sealing_id=telling_id,
        person_id=person_id,
        days=tuple(stood.days),
        adjustments=tuple(stood.adjustments),
    )


def _parts(people: Sequence[str]) -> list[Sequence[str]]:
    return [people[start : start + PEOPLE_AT_ONCE] for start in range(0, len(people), PEOPLE_AT_ONCE)]

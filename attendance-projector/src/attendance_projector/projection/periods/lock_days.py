"""Record what a lock locks: the days of its period as they stand, told through the outbox.

Only the live projector does, in the transaction that applies the lock; the lock is in force once what it
told came back. Two sealings of one lock, as after the loss of the database, are told apart by their id.
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
NOTHING_STOOD = StoodThen()


async def seal_period(
    lock: PeriodLocked,
    periods: Periods,
    outbox: Outbox,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], UUID] = uuid4,
) -> int:
    """Tell the days of a lock as they stand, and how many people's; return that number.

    The transaction holds the lock on everyone, and has computed all days that its facts make stale.
    """
    sealing_id, recorded_at = new_id(), now()
    people = await periods.people_of(lock)
    for person_ids in _parts(people):
        stood = await periods.stood(lock, person_ids)
        await outbox.add(
            LOCKED_DAYS,
            [
                DaysLocked(
                    occurred_at=lock.occurred_at,
                    recorded_at=recorded_at,
                    org_id=lock.org_id,
                    event_id=deterministic_id("DaysLocked", lock.lock_id, sealing_id, person_id),
                    lock_id=lock.lock_id,
                    sealing_id=sealing_id,
                    person_id=person_id,
                    days=tuple(stood.get(person_id, NOTHING_STOOD).days),
                    adjustments=tuple(stood.get(person_id, NOTHING_STOOD).adjustments),
                )
                for person_id in person_ids
            ],
        )
    sealed = PeriodSealed(
        occurred_at=lock.occurred_at,
        recorded_at=recorded_at,
        org_id=lock.org_id,
        event_id=deterministic_id("PeriodSealed", lock.lock_id, sealing_id),
        lock_id=lock.lock_id,
        sealing_id=sealing_id,
        person_count=len(people),
    )
    await outbox.add(LOCKED_DAYS, [sealed])
    return len(people)


def _parts(people: Sequence[str]) -> list[Sequence[str]]:
    return [people[start : start + PEOPLE_AT_ONCE] for start in range(0, len(people), PEOPLE_AT_ONCE)]

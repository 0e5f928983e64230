"""Say which days facts would change, if they were applied now, without changing any."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

from attendance_projector.projection.apply_batch import apply_fresh
from attendance_projector.projection.apply_records import check_event, dates_of_facts
from attendance_projector.projection.days.recompute_days import recompute_days
from attendance_projector.projection.judge_batch import Received, ReceivedBeside, ReceivedEvent
from attendance_projector.projection.ports import EventReader, Transaction
from attendance_projector.projection.stored import Beside
from attendance_schemas.events import AttendanceDayChanged, DayState
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record


class Tables(Protocol):
    """The read model, for a trial."""

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Make the partitions for facts of these UTC dates; they stay."""

    async def changes_of(
        self, work: Callable[[Transaction], Awaitable[object]]
    ) -> Sequence[AttendanceDayChanged]:
        """Do the work, take it back, and return what it would tell of days."""


class ChangedDay(NamedTuple):
    """A day that would be another, by its key."""

    org_id: str
    person_id: str
    attendance_on: date
    shift_id: str
    change: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What would become of the records."""

    changed: Sequence[ChangedDay]
    refused: int
    unreadable: int
    without_effect: int


async def tell_effect(tables: Tables, reader: EventReader, records: Iterable[Record]) -> Effect:
    """Return what applying these records now would change, in their order.

    Raises:
        RuleError: two of them contradict each other, or what is stored.
        TransientFailure: the database or the registry is away.
    """
    received, unreadable = await _read(reader, records)
    found: list[tuple[int, int]] = []

    async def apply(transaction: Transaction) -> None:
        applied = await apply_fresh(transaction, received, recompute_days)
        found.append((sum(applied.refusals.reasons.values()), applied.duplicate_count))

    await tables.ensure_months(dates_of_facts(received))
    changes = await tables.changes_of(apply) if received else ()
    refused, without_effect = found[-1] if found else (0, 0)
    return Effect(changed_days(changes), refused, unreadable, without_effect)


async def _read(reader: EventReader, records: Iterable[Record]) -> tuple[list[Received], int]:
    received: list[Received] = []
    unreadable = 0
    for record in records:
        try:
            event = await reader.read(record)
            if isinstance(event, Beside):
                received.append(ReceivedBeside(record, event))
            else:
                received.append(ReceivedEvent(record, event, check_event(record, event)))
        except PoisonRecord:
            unreadable += 1
    return received, unreadable


def changed_days(changes: Sequence[AttendanceDayChanged]) -> list[ChangedDay]:
    """Return each day once, by how it was before the first change and is after the last."""
    before: dict[tuple[str, str, date, str], DayState | None] = {}
    after: dict[tuple[str, str, date, str], DayState | None] = {}
    for each in changes:
        key = (each.org_id, each.person_id, each.attendance_on, each.shift_id)
        before.setdefault(key, each.previous)
        after[key] = each.day
    return [
        ChangedDay(*key, _kind(before[key], day)) for key, day in sorted(after.items()) if day != before[key]
    ]


def _kind(before: DayState | None, after: DayState | None) -> str:
    if before is None:
        return "CREATED"
    return "REMOVED" if after is None else "UPDATED"

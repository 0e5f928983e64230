"""What the backlog needs of the read model, by role."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from attendance_projector.domain.touched import DateSpan
from attendance_projector.projection.stored import PersonKey
from attendance_schemas.events import PeriodLocked


@dataclass(frozen=True, slots=True)
class StaleSpan:
    """Local dates of a person that wait to be computed again; `number` says since when."""

    number: int
    person: PersonKey
    span: DateSpan


class Backlog(Protocol):
    """Spans that wait to be computed again, and locks that wait for them."""

    async def add(self, spans: Mapping[PersonKey, Sequence[DateSpan]]) -> None:
        """Let these dates wait."""

    async def claim(self) -> bool:
        """Say whether this transaction is the only one that works the backlog off, until its end."""

    async def oldest(self, limit: int) -> Sequence[StaleSpan]:
        """Return the spans that have waited longest, without those that were refused."""

    async def keep(self, numbers: Collection[int]) -> Sequence[StaleSpan]:
        """Return those of the spans that still wait. The transaction holds the locks of their people."""

    async def replace(self, spans: Collection[StaleSpan], left: Collection[StaleSpan]) -> None:
        """Take spans out, and put what is left of them in their place."""

    async def refuse(self, spans: Collection[StaleSpan], reason: str) -> None:
        """Set spans aside: their days stay as they are, and an operator has to look."""

    async def holds_up(self, lock: PeriodLocked) -> bool:
        """Say whether days wait that the days or adjustments of this period may follow from."""

    async def waits(self, person: PersonKey, on: date) -> bool:
        """Say whether this date of a person waits to be computed again."""

    async def put_off(self, lock: PeriodLocked) -> None:
        """Let a lock wait until nothing holds it up."""

    async def next_lock(self) -> PeriodLocked | None:
        """Return a lock that waits and that nothing holds up."""

    async def remove_lock(self, lock: PeriodLocked) -> None:
        """Let a lock wait no longer."""

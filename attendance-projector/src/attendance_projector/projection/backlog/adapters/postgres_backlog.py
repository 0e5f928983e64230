"""The backlog in PostgreSQL: the tables `stale_span` and `untold_lock`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

import asyncpg
import msgspec

from attendance_projector.domain.touched import DateSpan
from attendance_projector.projection.adapters.columns import side_by_side
from attendance_projector.projection.backlog.ports import StaleSpan
from attendance_projector.projection.stored import PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import PeriodLocked

SQL = statements("backlog")


class PostgresBacklog:
    """`Backlog` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, spans: Mapping[PersonKey, Sequence[DateSpan]]) -> None:
        """Let these dates wait."""
        rows = [(*person, span.first_on, span.last_on) for person in sorted(spans) for span in spans[person]]
        await self._connection.execute(SQL["add"], *side_by_side(rows))

    async def claim(self) -> bool:
        """Say whether this transaction is the only one that works the backlog off, until its end."""
        return bool(await self._connection.fetchval(SQL["claim"]))

    async def oldest(self, limit: int) -> Sequence[StaleSpan]:
        """Return the spans that have waited longest, without those that were refused."""
        return _spans(await self._connection.fetch(SQL["oldest"], limit))

    async def keep(self, numbers: Collection[int]) -> Sequence[StaleSpan]:
        """Return those of the spans that still wait. The transaction holds the locks of their people."""
        return _spans(await self._connection.fetch(SQL["keep"], list(numbers)))

    async def replace(self, spans: Collection[StaleSpan], left: Collection[StaleSpan]) -> None:
        """Take spans out, and put what is left of them in their place."""
        kept = {each.number for each in left}
        done = [each.number for each in spans if each.number not in kept]
        rows = [(each.number, each.span.first_on, each.span.last_on) for each in left]
        await self._connection.execute(SQL["remove"], done)
        if rows:
            await self._connection.execute(SQL["shorten"], *side_by_side(rows))

    async def refuse(self, spans: Collection[StaleSpan], reason: str) -> None:
        """Set spans aside: their days stay as they are, and an operator has to look."""
        await self._connection.execute(SQL["refuse"], [each.number for each in spans], reason)

    async def holds_up(self, lock: PeriodLocked) -> bool:
        """Say whether days wait that the days or adjustments of this period may follow from."""
        return bool(await self._connection.fetchval(SQL["holds_up"], lock.org_id, lock.ends_on))

    async def waits(self, person: PersonKey, on: date) -> bool:
        """Say whether this date of a person waits to be computed again."""
        return bool(await self._connection.fetchval(SQL["waits"], *person, on))

    async def put_off(self, lock: PeriodLocked) -> None:
        """Let a lock wait until nothing holds it up."""
        event = msgspec.json.encode(lock).decode()
        await self._connection.execute(SQL["put_off"], lock.org_id, lock.lock_id, lock.ends_on, event)

    async def next_lock(self) -> PeriodLocked | None:
        """Return a lock that waits and that nothing holds up."""
        event = await self._connection.fetchval(SQL["next_lock"])
        return None if event is None else msgspec.json.decode(event, type=PeriodLocked)

    async def remove_lock(self, lock: PeriodLocked) -> None:
        """Let a lock wait no longer."""
        await self._connection.execute(SQL["remove_lock"], lock.org_id, lock.lock_id)


def _spans(rows: Iterable[asyncpg.Record]) -> list[StaleSpan]:
    return [
        StaleSpan(number, PersonKey(org_id, person_id), DateSpan(first_on, last_on))
        for number, org_id, person_id, first_on, last_on in rows
    ]

"""The whole way of one capture: every record about it, and how far its readers are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from attendance_ops.errors import WrongSelection
from attendance_ops.log.positions import GROUPS, positions_of, reader_of
from attendance_ops.log.reading import Log, Progress
from attendance_ops.log.seen import Seen
from attendance_ops.log.selection import Selection
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CORRECTIONS,
    DEAD_LETTER_SUFFIX,
    MATCHES,
    PUNCHES,
    Topic,
)
from service_kit.errors import TransientFailure

# Where facts of devices and what is decided of them lie, in the order of their way.
WAY: tuple[Topic, ...] = (CAPTURES, CAPTURES_BACKLOG, PUNCHES, MATCHES, CORRECTIONS)
# A device's clock may be ahead by as much when it names a capture; later is searched in any case.
CLOCK_AHEAD = timedelta(days=1)
TABLES = {
    "capture": "SELECT outcome, occurred_at, received_at, decided_at, projected_at, decision_round, reason "
    "FROM attendance.capture WHERE capture_id = $1",
    "awaited_fact": "SELECT kind, occurred_at, accepted_at FROM attendance.awaited_fact WHERE fact_id = $1",
    "dead_letter": "SELECT kind, reason, accepted_at, dead_at FROM attendance.dead_letter WHERE fact_id = $1",
    "refused_fact": "SELECT kind, reason, recorded_at, refused_at FROM attendance.refused_fact "
    "WHERE fact_id = $1::text",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A record on the way, and whether its reader is past it; None: no group reads this topic."""

    seen: Seen
    reader: str | None
    is_read: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {**self.seen.as_json(), "reader": self.reader, "is_read": self.is_read}


def since_of(fact_id: UUID) -> datetime:
    """Return from when on to search: a UUIDv7 says when it was made. Source: RFC 9562, 5.7."""
    try:
        if fact_id.version == 7:  # noqa: PLR2004
            return datetime.fromtimestamp((fact_id.int >> 80) / 1000, UTC) - CLOCK_AHEAD
    except (OverflowError, ValueError, OSError):
        pass
    raise WrongSelection(f"{fact_id} does not say when it was made; say --from when to search")


def topics_of(way: tuple[Topic, ...] = WAY) -> Iterator[str]:
    """Yield the topics that are searched: facts, then what no service could handle of them."""
    yield from (topic.name for topic in way)
    yield from (dead.name for topic in way if (dead := topic.dead_letter_topic()))


async def trace(
    log: Log, fact_id: UUID, *, since: datetime, progress: Progress = lambda _count: None
) -> list[Step]:
    """Return every record that names a capture or punch, in the order of their times.

    Raises:
        TransientFailure: Kafka is away.
    """
    offsets = {group: await positions_of(log.kafka, group) for group in GROUPS}
    steps = []
    for topic in topics_of():
        async for seen in log.read(Selection(topic, since=since), progress=progress):
            if str(fact_id) in _ids(seen):
                reader = None if topic.endswith(DEAD_LETTER_SUFFIX) else reader_of(topic)
                at = offsets[reader].get(seen.record.topic_partition, 0) if reader else None
                steps.append(Step(seen, reader, None if at is None else seen.record.offset < at))
    return sorted(steps, key=lambda step: step.seen.record.timestamp)


def _ids(seen: Seen) -> set[str]:
    names = ("capture_id", "punch_id", "correction_id")
    return {str(seen.fields[name]) for name in names if seen.fields.get(name) is not None}


async def rows_of(database_url: str, org_id: str, fact_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return what the read model says of it, by table.

    Raises:
        TransientFailure: the database is away, or does not let us read.
    """
    try:
        return await _rows_of(database_url, org_id, fact_id)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise TransientFailure("postgres", f"cannot read the read model: {error!r}") from error


async def _rows_of(database_url: str, org_id: str, fact_id: UUID) -> dict[str, list[dict[str, Any]]]:
    connection = await asyncpg.connect(database_url, timeout=5, command_timeout=30)
    try:
        async with connection.transaction(readonly=True):
            await connection.execute("SELECT set_config('attendance.org_id', $1, true)", org_id)
            return {
                table: [dict(row) for row in await connection.fetch(query, fact_id)]
                for table, query in TABLES.items()
            }
    finally:
        await connection.close()

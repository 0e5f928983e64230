"""What a day takes in PostgreSQL: its bytes, how its updates are written, and the statements of one capture.

`python -m benchmarks.projection.day_writes [--events N] [--people N] [--batch N] [--updates N]`. The use case
of the live projector applies invented punches to a real PostgreSQL, without Kafka: a day is made by its first
punch and updated by each of the others. Then so many copies of a day are updated in one statement, as a punch
changes a day, without its explanation. Counts come from the server: tuples that were updated, how many of
them HOT (without touching an index), bytes of WAL. To compare two versions, run it in a checkout of each.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import asyncpg
from prometheus_client import CollectorRegistry

from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel, open_pool
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.stored import EventOrTombstone
from attendance_projector.store.migrate import migrate
from attendance_schemas.events import Event
from attendance_schemas.topics import DIRECTORY, MATCHES
from benchmarks.projection.facts import directory, matches
from benchmarks.projection.service import say
from local_stack.environment import StackEnv
from local_stack.for_tests.databases import columns_of, create_database, drop_database
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from service_kit.kafka.records import Record

AT_ONCE = 2000
ROWS = (
    "relname ~ '^(capture|punch|attendance_day|day_explanation|open_day|unsettled_day)(_[0-9]{4}_[0-9]{2})?$'"
)
TABLES = f"""
SELECT regexp_replace(relname, '_[0-9]{{4}}_[0-9]{{2}}$', '') AS name, sum(n_live_tup)::bigint AS rows,
    sum(n_tup_upd)::bigint AS updates, sum(n_tup_hot_upd)::bigint AS hot,
    sum(pg_table_size(relid))::bigint AS heap, sum(pg_indexes_size(relid))::bigint AS indexes
FROM pg_stat_user_tables WHERE schemaname = 'attendance' AND {ROWS}
GROUP BY 1 HAVING sum(n_tup_ins) > 0 ORDER BY 1
"""  # noqa: S608
COPY_A_DAY = """
INSERT INTO attendance.attendance_day ({columns})
SELECT {values}
FROM (SELECT * FROM attendance.attendance_day LIMIT 1) AS day, generate_series(1, $1) AS number
"""
UPDATE_THE_COPIES = """
UPDATE attendance.attendance_day
SET status = 'INCOMPLETE', punch_count = punch_count + 1, worked_minutes = worked_minutes + 1,
    open_since = coalesce(last_out_at, now())
WHERE person_id LIKE 'copy-%'
"""


class _Known:
    """An `EventReader` over events that are in memory: a record's key is their number."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def records(self, topic: str, events: Sequence[Event]) -> list[Record]:
        """Return the records of events, each after those before."""
        first = len(self._events)
        self._events += events
        return [
            Record(topic, 0, number, str(number).encode(), b"", (), datetime.now(UTC))
            for number in range(first, len(self._events))
        ]

    async def read(self, record: Record) -> EventOrTombstone:
        """Return the event of a record."""
        return self._events[int(record.key or b"")]


async def measure(options: argparse.Namespace, url: str) -> None:
    """Apply the punches, then say what they took."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, connections=1))
        sql = await asyncpg.connect(url)
        stack.push_async_callback(sql.close)
        known = _Known()
        projector = ApplyRecords(known, PostgresReadModel(pool), ProjectorMetrics(CollectorRegistry()))
        for events in _parts(directory(options.people)):
            await projector.apply(known.records(DIRECTORY.name, events))
        facts = matches(options.people, None)
        await projector.apply(known.records(MATCHES.name, list(islice(facts, AT_ONCE))))
        before, written = await _wal(sql), await _told(sql)
        for events in _parts(islice(facts, options.events), options.batch):
            await projector.apply(known.records(MATCHES.name, events))
        wal = await _wal(sql) - before
        say(f"{options.events} captures of {options.people} people, {options.batch} in a transaction")
        say(f"WAL: {wal / 1e6:.1f} MB, {wal / options.events:.0f} bytes for a capture with its punch and day")
        say(f"changes told: {await _told(sql) - written}")
        await _say_tables(sql)
        await _say_updates(sql, options.updates)
        await _say_statements(pool, projector, known.records(MATCHES.name, list(islice(facts, 1))))


def _parts(events: Iterator[Event], size: int = AT_ONCE) -> Iterator[list[Event]]:
    while part := list(islice(events, size)):
        yield part


async def _wal(sql: asyncpg.Connection) -> int:
    return int(await sql.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


async def _told(sql: asyncpg.Connection) -> int:
    return int(await sql.fetchval("SELECT count(*) FROM attendance.outbox"))


async def _say_tables(sql: asyncpg.Connection) -> None:
    # Sessions hand in what they counted when they are idle for a moment.
    await sql.execute("SELECT pg_stat_force_next_flush()")
    await asyncio.sleep(1.0)
    say(f"{'table':<16} {'rows':>8} {'bytes a row':>12} {'of indexes':>10} {'updates':>8} {'HOT':>7}")
    for row in await sql.fetch(TABLES):
        share = f"{row['hot'] / row['updates']:7.1%}" if row["updates"] else "      -"
        rows = max(1, row["rows"])
        say(
            f"{row['name']:<16} {row['rows']:>8} {row['heap'] / rows:>12.0f} {row['indexes'] / rows:>10.0f}"
            f" {row['updates']:>8} {share}"
        )


async def _say_updates(sql: asyncpg.Connection, count: int) -> None:
    columns = await columns_of(sql, "attendance.attendance_day")
    values = ["'copy-' || number" if name == "person_id" else name for name in columns]
    await sql.execute(COPY_A_DAY.format(columns=", ".join(columns), values=", ".join(values)), count)
    await sql.execute("VACUUM ANALYZE attendance.attendance_day")
    before, began = await _wal(sql), time.monotonic()
    await sql.execute(UPDATE_THE_COPIES)
    seconds, wal = time.monotonic() - began, await _wal(sql) - before
    say(f"{count} days updated in one statement: WAL {wal / 1e6:.1f} MB, {seconds:.1f} s")


async def _say_statements(pool: asyncpg.Pool, projector: ApplyRecords, records: Sequence[Record]) -> None:
    """Count what one capture alone sends."""
    sent: list[str] = []
    async with pool.acquire() as connection:
        connection.add_query_logger(lambda query: sent.append(query.query))
    sent.clear()
    await projector.apply(records)
    say(f"statements of one live capture: {len(sent)}")
    for query in sent:
        words = " ".join(line for line in query.splitlines() if not line.startswith("--"))
        say(f"    {words[:110]}")


async def run(options: argparse.Namespace, stack: StackEnv) -> None:
    """Make a database, measure, drop it."""
    database = await create_database(stack)
    try:
        await migrate(database.url)
        await measure(options, database.writer_url)
    finally:
        await drop_database(stack, database.name)


def main() -> None:
    """Measure against a stack that is started unless it runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--updates", type=int, default=800_000, help="days updated in one statement")
    parser.add_argument("--batch", type=int, default=100, help="captures in a transaction")
    options, root = parser.parse_args(), Path.cwd()
    stack = Stack(stack_folder(root=root, name="benchmark"), cache_folder(root=root))
    with leased(stack, keep=False):
        asyncio.run(run(options, stack.env))


if __name__ == "__main__":
    main()

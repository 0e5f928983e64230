"""What PostgreSQL itself takes for the rows of the projector's benchmark, beside which it is measured.

Every baseline writes into tables of its own with the same columns, partitions and indexes, on the same
server with the same durability, over one connection, with values that are in memory before the clock
starts. (a) COPY, of the rows of `capture` and of all rows that the projector makes; (b) one INSERT ... ON
CONFLICT for each event in its own transaction, one after the other, as a service that stores what it hears
writes it; (c) the same by executemany. (b) and (c) write one row of `capture` for an event, the projector
also its punch and its day.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from attendance_projector.projection.adapters.postgres_captures import CAPTURE_COLUMNS, capture_row
from attendance_schemas.events import MatchDecided
from local_stack.for_tests.databases import columns_of

ROWS_PER_EXECUTEMANY = 500
TABLES = ("capture", "punch", "attendance_day", "day_explanation")
UPSERT = (
    f"INSERT INTO capture ({', '.join(CAPTURE_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f'${number + 1}' for number in range(len(CAPTURE_COLUMNS)))})"
    " ON CONFLICT (org_id, capture_id, occurred_at) DO UPDATE SET outcome = excluded.outcome,"
    " person_id = excluded.person_id, decision_round = excluded.decision_round"
)


@dataclass(slots=True)
class Figures:
    """Events or rows per second, one number for each round."""

    live: list[float] = field(default_factory=list)
    copy_captures: list[float] = field(default_factory=list)
    insert_each: list[float] = field(default_factory=list)
    # Microseconds of CPU for an event, of the client and its session.
    insert_each_cpu: list[float] = field(default_factory=list)
    executemany: list[float] = field(default_factory=list)
    copy_all: list[float] = field(default_factory=list)


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process has used, however busy the machine was."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure_baselines(
    connection: asyncpg.Connection, events: Sequence[MatchDecided], into: Figures
) -> None:
    """Write one row of `capture` for each event in three ways, into empty tables with the same indexes."""
    rows = [capture_row(event) for event in events]
    dates = sorted({event.occurred_at.date().replace(day=1) for event in events})
    await connection.execute("SET search_path TO baseline")
    await connection.execute("SELECT ensure_partitions('capture', $1::date[])", dates)
    server = await connection.fetchval("SELECT pg_backend_pid()")
    for figures, write in (
        (into.insert_each, _insert_each),
        (into.executemany, _executemany),
        (into.copy_captures, _copy),
    ):
        await connection.execute("TRUNCATE capture")
        cpu = time.process_time() + cpu_seconds(server)
        began = time.perf_counter()
        await write(connection, rows)
        figures.append(len(rows) / (time.perf_counter() - began))
        if figures is into.insert_each:
            cpu = time.process_time() + cpu_seconds(server) - cpu
            into.insert_each_cpu.append(1e6 * cpu / len(rows))


async def _insert_each(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    for row in rows:
        await connection.execute(UPSERT, *row)


async def _executemany(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    for first in range(0, len(rows), ROWS_PER_EXECUTEMANY):
        await connection.executemany(UPSERT, rows[first : first + ROWS_PER_EXECUTEMANY])


async def _copy(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    await connection.copy_records_to_table("capture", records=rows, columns=CAPTURE_COLUMNS)


async def copy_all(url: str, folder: Path, count: int) -> float:
    """COPY all rows of the live tables into empty ones with the same indexes; return events per second."""
    connection = await asyncpg.connect(url)
    try:
        columns: dict[str, list[str]] = {}
        await connection.execute("SET search_path TO baseline")
        for table in TABLES:
            await connection.execute(f"TRUNCATE {table}")
            key = "occurred_at" if table in {"capture", "punch"} else "attendance_on"
            await connection.execute(
                f"SELECT ensure_partitions('{table}', array_agg(DISTINCT {key}::date))"  # noqa: S608
                f" FROM attendance.{table}"
            )
            columns[table] = await columns_of(connection, f"attendance.{table}")
            with (folder / table).open("wb") as file:
                await connection.copy_from_query(
                    f"SELECT {', '.join(columns[table])} FROM attendance.{table}",  # noqa: S608
                    output=file,
                    format="binary",
                )
        began = time.perf_counter()
        for table in TABLES:
            with (folder / table).open("rb") as file:
                await connection.copy_to_table(table, source=file, format="binary", columns=columns[table])
        return count / (time.perf_counter() - began)
    finally:
        await connection.close()

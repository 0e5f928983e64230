"""Compare the rebuilt tables with the live ones, on one snapshot in which both stand at the same positions.

A checksum is the sum of a hash of each row, without the columns that no fact decides, by table and UTC month.
Days without a punch are compared once no device can change them: 24 hours after their window closed.
Where two differ, rows are looked up and the difference is put into words.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from attendance_projector.rebuild.ports import LIVE, NEXT, Compared, Table
from attendance_projector.store.connection import Connection

ROWS_SHOWN = 5
WHOLE_TABLE = "all"
# Days without a punch that the next tick may decide otherwise, by how far devices have reported until then.
SETTLED_DAY = (
    "NOT EXISTS (SELECT FROM {schema}.unsettled_day AS undecided WHERE"
    " (undecided.org_id, undecided.person_id, undecided.attendance_on, undecided.shift_id)"
    " = (compared.org_id, compared.person_id, compared.attendance_on, compared.shift_id))"
)
DAYS = ("attendance_day", "day_explanation")
SETTLED = {
    "attendance_day": SETTLED_DAY,
    "day_explanation": SETTLED_DAY,
    "adjustment": "absence IS NULL OR absence = 'SETTLED'",
    # Topics forget dead letters after 60 days, and tables at a tick.
    "dead_letter": (
        "dead_at >= (SELECT coalesce(max(as_of), '-infinity') - interval '59 days' FROM {schema}.clock)"
    ),
}


class PostgresComparison:
    """`Comparison` over a connection of its own; use `open_comparison`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = connection.transaction(isolation="repeatable_read", readonly=True)

    async def take_snapshot(self) -> None:
        """Take the instant; what is written afterwards does not count."""
        await self._transaction.start()
        # The snapshot is taken by the first query.
        await self._connection.fetchval("SELECT txid_current_snapshot()")

    async def compare(self, table: Table) -> Sequence[Compared]:
        """Compare a table, month by month."""
        return [each async for each in compare_tables(self._connection, [table])]

    async def end(self) -> None:
        """Let the snapshot go: a switch waits for it."""
        await self._transaction.rollback()


@asynccontextmanager
async def open_comparison(url: str) -> AsyncIterator[PostgresComparison]:
    """Connect to compare; when all went well, the snapshot has ended afterwards."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    try:
        comparison = PostgresComparison(connection)
        yield comparison
        await comparison.end()
    finally:
        connection.terminate()


async def compare_tables(connection: Connection, tables: Sequence[Table]) -> AsyncIterator[Compared]:
    """Yield each table and month; the connection has a transaction with a snapshot of both."""
    for table in tables:
        live, rebuilt = [await _checksums(connection, schema, table) for schema in (LIVE, NEXT)]
        for month in sorted(live.keys() | rebuilt.keys()):
            (live_rows, live_sum), (new_rows, new_sum) = (
                side.get(month, (0, None)) for side in (live, rebuilt)
            )
            is_equal = (live_rows, live_sum) == (new_rows, new_sum)
            examples = () if is_equal else await _examples(connection, table, month)
            yield Compared(table.name, month, live_rows, new_rows, is_equal, examples)


def _month(table: Table) -> str:
    """Return the SQL expression of a row's month."""
    return f"to_char({table.partition_key}, 'YYYY-MM')" if table.is_partitioned else f"'{WHOLE_TABLE}'"


def _compared(table: Table, schema: str) -> str:
    """Return the SQL condition of the rows that facts alone decide."""
    return SETTLED.get(table.name, "true").format(schema=schema)


async def _checksums(connection: Connection, schema: str, table: Table) -> dict[str, tuple[int, Any]]:
    columns = ", ".join(table.columns)
    rows = await connection.fetch(
        f"SELECT {_month(table)} AS month, count(*) AS rows,"  # noqa: S608
        f" sum(hashtextextended(ROW({columns})::text, 0)::numeric) AS checksum"
        f" FROM {schema}.{table.name} AS compared WHERE {_compared(table, schema)} GROUP BY 1"
    )
    return {row["month"]: (row["rows"], row["checksum"]) for row in rows}


async def _examples(connection: Connection, table: Table, month: str) -> tuple[str, ...]:
    keys, columns = ", ".join(table.identity), ", ".join(table.columns)
    side = (
        "(SELECT {keys}, to_jsonb(picked) AS fields FROM (SELECT {columns} FROM {schema}.{table} AS compared"
        " WHERE {month} = $1 AND ({compared})) AS picked)"
    )
    live, rebuilt = (
        side.format(
            keys=keys,
            columns=columns,
            schema=schema,
            table=table.name,
            month=_month(table),
            compared=_compared(table, schema),
        )
        for schema in (LIVE, NEXT)
    )
    rows = await connection.fetch(
        f"SELECT live.fields AS live, rebuilt.fields AS rebuilt FROM {live} AS live"  # noqa: S608
        f" FULL JOIN {rebuilt} AS rebuilt USING ({keys})"
        f" WHERE live.fields IS DISTINCT FROM rebuilt.fields ORDER BY {keys} LIMIT {ROWS_SHOWN}",
        month,
    )
    return tuple(_in_words(table, row["live"], row["rebuilt"]) for row in rows)


def _in_words(table: Table, live: str | None, rebuilt: str | None) -> str:
    before: dict[str, Any] | None = None if live is None else msgspec.json.decode(live)
    after: dict[str, Any] | None = None if rebuilt is None else msgspec.json.decode(rebuilt)
    row = before or after or {}
    name = f"{table.name} {', '.join(str(row[key]) for key in table.identity)}"
    if after is None:
        return f"{name}: only live; the log does not hold the facts behind it any more, or never did"
    if before is None:
        return f"{name}: only rebuilt; the log holds a fact that the live tables miss"
    changed = [
        f"{key} {before[key]!r} became {after[key]!r}" for key in table.columns if before[key] != after[key]
    ]
    why = "computed by the rules of this version" if table.name in DAYS else "told by the log"
    return f"{name}: {'; '.join(changed)}; {why}"

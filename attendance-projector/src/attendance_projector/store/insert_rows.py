"""Many new rows at once, as arrays: the server refuses COPY into a table with row-level security.

Only who owns the tables may COPY into them, as a rebuild does.
"""

from collections.abc import Iterable, Sequence

from attendance_projector.store.connection import Connection

# By table and columns; the types of columns never change.
_statements: dict[tuple[str, Sequence[str]], str] = {}


async def insert_rows(
    connection: Connection, table: str, records: Iterable[Sequence[object]], columns: Sequence[str]
) -> None:
    """Insert rows of these columns; columns of arrays cannot be among them."""
    if not (values := [list(column) for column in zip(*records, strict=True)]):
        return
    statement = _statements.get((table, columns))
    if statement is None:
        statement = _statements[table, columns] = await _statement(connection, table, columns)
    await connection.execute(statement, *values)


async def copy_rows(
    connection: Connection, table: str, records: Iterable[Sequence[object]], columns: Sequence[str]
) -> None:
    """Do the same as the owner of the table, in half the time."""
    await connection.copy_records_to_table(table, records=records, columns=columns)


async def _statement(connection: Connection, table: str, columns: Sequence[str]) -> str:
    names = ", ".join(columns)
    found = await connection.prepare(f"SELECT {names} FROM {table}")  # noqa: S608  # our own names
    types = [each.type.name for each in found.get_attributes()]
    arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(types, start=1))
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  # our own names

"""What each place holds, side by side in a file that is removed afterwards: months fit on a disk.

Ids, instants, devices with their numbers and keys of images; no name, no badge, no content.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, NamedTuple

from attendance_ops.reconcile.facts import Window, micros

CACHE_KIB = 65_536
"""Memory for pages of the file; more lies on the disk."""


class EventRow(NamedTuple):
    """A record of a fact. Instants in microseconds, `digest` of the content, `id` as bytes."""

    org: str
    id: bytes
    kind: str
    at: int
    occurred_at: int
    digest: int
    device: str | None
    sequence: int | None
    image_key: str | None
    attempts: int
    is_projected: bool
    is_recognised: bool


class DecisionRow(NamedTuple):
    """A record of a decision on a fact, or a dead letter of either."""

    org: str
    id: bytes
    at: int
    is_dead: bool
    is_projected: bool


class UnpublishedRow(NamedTuple):
    """What was accepted and is on no topic. `problem`: why its object cannot be read."""

    org: str
    id: bytes
    at: int
    kind: str | None = None
    occurred_at: int | None = None
    device: str | None = None
    sequence: int | None = None
    image_key: str | None = None
    is_expired: bool = False
    problem: str | None = None


class Ledger:
    """The file, open. Rows go in by table; questions are SQL, with the window's instants as parameters."""

    def __init__(self, connection: sqlite3.Connection, window: Window) -> None:
        self._connection = connection
        self._window = {name: micros(getattr(window, name)) for name in ("since", "until", "ripe")}

    def add(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Add rows with a value for each column."""
        kept = list(rows)
        if kept:
            places = ", ".join("?" * len(kept[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", kept)  # noqa: S608

    def run(self, script: str) -> None:
        """Run the statements of one of this folder's files."""
        text = files("attendance_ops.reconcile").joinpath(script).read_text(encoding="utf-8")
        for statement in text.split(";\n"):
            if statement.strip():
                self._connection.execute(statement, self._window)

    def ask(self, query: str, **parameters: object) -> Iterator[Any]:
        """Yield the rows of a question, as they are found. Nothing may be added meanwhile."""
        yield from self._connection.execute(query, self._window | parameters)

    def pages(self, query: str, size: int, **parameters: object) -> Iterator[list[Any]]:
        """Yield the rows of a question in lists; what it reads from may not change meanwhile."""
        cursor = self._connection.execute(query, self._window | parameters)
        while page := cursor.fetchmany(size):
            yield page

    @property
    def size(self) -> int:
        """Return how large it is, bytes."""
        return self.count("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")

    def count(self, query: str, **parameters: object) -> int:
        """Return the one number that a question has for an answer."""
        (row,) = self.ask(query, **parameters)
        return int(row[0] or 0)


@contextmanager
def open_ledger(window: Window) -> Iterator[Ledger]:
    """Give an empty ledger in the folder for temporary files (TMPDIR); a killed process leaves nothing."""
    # Without a name, SQLite makes a file and removes its name at once. Source: https://sqlite.org/inmemorydb.html
    connection = sqlite3.connect("", isolation_level=None)
    try:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        ledger = Ledger(connection, window)
        ledger.run("ledger.sql")
        connection.execute("BEGIN")
        yield ledger
    finally:
        connection.close()

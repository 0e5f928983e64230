"""One look at everything, in an order in which no fact can be missed between two places.

1. Ask how far the readers are.
2. List the object store, and read the topics to their ends: what readers are past is there.
3. Read what was stored and is on no topic, and ask by its key for what no listing had.
4. Read the tables: what the projector was past in step 1 is there.
5. Compare.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from attendance_ops.log.reading import Log, Progress
from attendance_ops.reconcile.facts import Window, instant_of_micros
from attendance_ops.reconcile.findings import FINDINGS, REPAIRABLE
from attendance_ops.reconcile.holes import find_holes
from attendance_ops.reconcile.ledger import Ledger
from attendance_ops.reconcile.read_log import Readers, ask_readers, read_log
from attendance_ops.reconcile.read_objects import (
    Objects,
    ask_for_absent,
    list_objects,
    read_unpublished,
)
from attendance_ops.reconcile.read_tables import open_tables


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that does not agree. `attempts`: how often it was published again before."""

    org_id: str
    fact_id: UUID | None
    kind: str | None
    at: datetime | None
    detail: str | None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """The places that are held against each other."""

    log: Log
    objects: Objects
    database_url: str


@dataclass(slots=True)
class Look:
    """What a look came to. Counts of facts, records and objects; `on_their_way` are not judged yet."""

    window: Window
    readers: Readers
    objects: int = 0
    records: int = 0
    unreadable: int = 0
    facts: int = 0
    on_their_way: int = 0
    seconds: float = 0.0
    ledger_bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    @property
    def repairable(self) -> int:
        """Return how many findings a repair may end."""
        return sum(self.counts.get(name, 0) for name in REPAIRABLE)


@contextmanager
def _timed(look: Look) -> Iterator[None]:
    began = time.monotonic()
    yield
    look.seconds = time.monotonic() - began


async def examine(
    sources: Sources,
    window: Window,
    ledger: Ledger,
    *,
    examples: int,
    progress: Progress = lambda _count: None,
) -> Look:
    """Return what does not agree; the ledger then has all of it.

    Raises:
        TransientFailure: Kafka, the object store or the database is away.
        LogLost: topics lost records meanwhile.
    """
    look = Look(window, await ask_readers(sources.log))
    with _timed(look):
        look.objects, read = await asyncio.gather(
            list_objects(sources.objects, ledger, window),
            read_log(sources.log, ledger, window, look.readers, progress),
        )
        look.records, look.unreadable = read.records, read.unreadable
        ledger.run("facts.sql")
        await read_unpublished(sources.objects, ledger, window)
        await ask_for_absent(sources.objects, ledger)
        async with open_tables(sources.database_url) as tables:
            look.facts = await tables.read(ledger)
        ledger.run("findings.sql")
        find_holes(ledger)
        look.ledger_bytes = ledger.size
        look.on_their_way = ledger.count(_ON_THEIR_WAY)
        for each in FINDINGS:
            look.counts[each] = ledger.count("SELECT count(*) FROM finding WHERE name = :name", name=each)
            rows = ledger.ask(_EXAMPLES, name=each, count=examples)
            look.examples[each] = [_example(*row) for row in rows]
    return look


_ON_THEIR_WAY = """
SELECT count(*) FROM fact
WHERE is_on_its_way
    OR (is_judged AND (
        NOT is_projected OR (kind IN ('CaptureReceived', 'EnrolmentRequested') AND NOT is_recognised)
    ))
"""
_EXAMPLES = """
SELECT org, id, kind, at, detail, attempts FROM finding WHERE name = :name ORDER BY at, org, id LIMIT :count
"""


def _example(
    org: str, raw: bytes | None, kind: str | None, at: int | None, detail: str | None, attempts: Any
) -> Example:
    fact_id = None if raw is None else UUID(bytes=raw)
    return Example(org, fact_id, kind, None if at is None else instant_of_micros(at), detail, attempts)

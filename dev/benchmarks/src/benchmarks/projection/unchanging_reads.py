"""Reads of what cannot change any more, all the time, by those who must not notice a rebuild.

Two readers, each every 50 ms: one asks the real query-api over HTTP, one URL after the other, and one runs a
statement through the login of query-api that joins three tables and names the schema each row came from.
Every answer has to be that of the first time.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

import asyncpg
import httpx

from benchmarks.projection.facts import ORG

EVERY_SECONDS = 0.05
# Nobody waits longer for a page.
TIMEOUT_SECONDS = 30.0
SCHEMAS_OF_ONE_STATEMENT = """
SELECT count(*) AS rows, count(DISTINCT relnamespace) AS schemas, min(relnamespace::bigint) AS schema
FROM (
    SELECT unnest(ARRAY[day.tableoid, person.tableoid, punch.tableoid]) AS oid
    FROM attendance.attendance_day AS day
    JOIN attendance.person AS person USING (org_id, person_id)
    JOIN attendance.punch AS punch
        ON punch.org_id = day.org_id AND punch.person_id = day.person_id
        AND punch.placed_on = day.attendance_on
    WHERE day.person_id = $1 AND day.attendance_on BETWEEN $2::date AND $3::date
        AND punch.occurred_at BETWEEN $2::date - interval '2 days' AND $3::date + interval '3 days'
) AS used
JOIN pg_class USING (oid)
"""
# Returns what was read; raises, or differs from the first time, when a reader would have noticed.
Read = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Reads:
    """What one reader met: seconds of each read, and what went wrong in words."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def milliseconds(self, percent: int) -> float:
        """Return a percentile; 100 is the longest."""
        if percent == 100:  # noqa: PLR2004
            return 1000 * max(self.seconds)
        return 1000 * statistics.quantiles(self.seconds, n=100)[percent - 1]

    def said(self) -> str:
        """Return the figures in words."""
        return (
            f"{len(self.seconds)} reads, {len(self.errors)} errors; milliseconds: median "
            f"{self.milliseconds(50):.1f}, p99 {self.milliseconds(99):.1f}, "
            f"longest {self.milliseconds(100):.0f}"
        )


@dataclass(slots=True)
class Reading:
    """Both readers, while they read. `schemas`: reads of the statement by the number of its schema."""

    pages: Reads = field(default_factory=Reads)
    statements: Reads = field(default_factory=Reads)
    schemas: dict[int, int] = field(default_factory=dict)
    mixed: int = 0


def unchanging_urls(people: Sequence[str], site_id: str, first: date, last: date) -> list[str]:
    """Return what to ask for: days and captures between two dates after which nothing comes."""
    dates = f"from={first}&to={last}"
    instants = f"from={first}T00:00:00Z&to={last}T00:00:00Z" if first < last else ""
    return [
        *(f"/v1/people/{person}/attendance?{dates}" for person in people),
        f"/v1/attendance?{dates}&site={site_id}&limit=50",
        f"/v1/attendance?from={last}&to={last}&limit=50",
        f"/v1/attendance?{dates}&person={people[-1]}",
        *([f"/v1/captures?{instants}&person={people[0]}"] if instants else []),
    ]


@asynccontextmanager
async def reading(
    api: str, token: str, urls: Sequence[str], query_url: str, person: str, between: tuple[date, date]
) -> AsyncIterator[Reading]:
    """Let both readers read inside the block, from once every URL has answered."""
    made = Reading()
    connection = await asyncpg.connect(query_url, server_settings={"attendance.org_id": ORG})
    client = httpx.AsyncClient(
        base_url=api, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS
    )
    async with client:
        try:
            pages = [_page(client, url) for url in urls]
            statement = _statement(connection, person, between, made)
            firsts = [await read() for read in (*pages, statement)]
            for url, text in zip(urls, firsts[:-1], strict=True):
                if not any(isinstance(each, list) and each for each in json.loads(str(text)).values()):
                    raise ReadFailed(f"{url} answered without a row")
            async with asyncio.TaskGroup() as tasks:
                both = [
                    tasks.create_task(_every_50_ms(made.pages, list(zip(pages, firsts[:-1], strict=True)))),
                    tasks.create_task(_every_50_ms(made.statements, [(statement, firsts[-1])])),
                ]
                try:
                    yield made
                finally:
                    for task in both:
                        task.cancel()
        finally:
            connection.terminate()


def _page(client: httpx.AsyncClient, url: str) -> Read:
    async def read() -> object:
        answer = await client.get(url)
        if answer.status_code != httpx.codes.OK:
            raise ReadFailed(f"{url} answered {answer.status_code}: {answer.text[:300]}")
        return answer.text

    return read


def _statement(
    connection: asyncpg.Connection, person: str, between: tuple[date, date], into: Reading
) -> Read:
    async def read() -> object:
        row = await connection.fetchrow(SCHEMAS_OF_ONE_STATEMENT, person, *between, timeout=TIMEOUT_SECONDS)
        if row is None or not row["rows"]:
            raise ReadFailed(f"the statement found no row of {person}")
        into.schemas[row["schema"]] = into.schemas.get(row["schema"], 0) + 1
        if row["schemas"] != 1:
            into.mixed += 1
            raise ReadFailed(f"one statement read {row['schemas']} schemas")
        return row["rows"]

    return read


class ReadFailed(Exception):
    """A reader noticed something."""


async def _every_50_ms(reads: Reads, what: Sequence[tuple[Read, object]]) -> None:
    due = time.perf_counter()
    while True:
        for read, first in what:
            began = time.perf_counter()
            try:
                if (found := await read()) != first:
                    reads.errors.append(f"not the first answer: {str(found)[:200]}")
            except (ReadFailed, httpx.HTTPError, asyncpg.PostgresError, OSError) as error:
                reads.errors.append(repr(error))
            reads.seconds.append(time.perf_counter() - began)
            # After a long read the rhythm begins anew: what was missed is not read all at once.
            due = max(due + EVERY_SECONDS, time.perf_counter())
            await asyncio.sleep(due - time.perf_counter())

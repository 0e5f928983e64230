"""Presence is the same from the cache and from the database, for every caller, site and page."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.presence import CACHED_FOR
from attendance_testing.projector.presence import fill_presence, open_days_of
from local_stack.environment import StackEnv
from local_stack.for_tests.databases import Database
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.adapters.postgres_read_model import PostgresReadModel
from query_api.adapters.valkey_presence_cache import NoPresenceCache, open_presence_cache
from query_api.attendance.read_presence import Presence, read_presence
from query_api.domain.pages import PageRequest
from query_api.domain.scope import Scope
from query_api.metrics import QueryApiMetrics
from query_api.ports import PresenceCache

pytestmark = pytest.mark.integration

SCOPES = (
    Scope(org_id="acme"),
    Scope(org_id="acme", sites=frozenset({"pune-1", "none-1"})),
    Scope(org_id="acme", sites=frozenset()),
    Scope(org_id="umbrella"),
    Scope(org_id="nobody"),
)
ADD_DAY = """
INSERT INTO attendance.open_day (
    person_id, attendance_on, shift_id, org_id, site_id, open_since
)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""


def some_days(now: datetime, chance: random.Random) -> list[tuple[Any, ...]]:
    """Return days of a few people around every edge: known and unknown, several at once, old and to come."""
    days = []
    for number in range(600):
        since = now - timedelta(minutes=chance.randrange(-30, 1100), microseconds=chance.randrange(1_000_000))
        person = chance.choice(["p-1", "p-2", "P-2", "p-10", f"p-{number}", "päivi", "umbrella-1"])
        days.append(
            (
                person,
                (since + timedelta(days=chance.choice([0, 0, 0, -1, 1]))).date(),
                chance.choice(["day", "night"]),
                chance.choice(["acme", "acme", "umbrella"]),
                chance.choice(["pune-1", "goa-1", "none-1"]),
                since,
            )
        )
    return days


@pytest.fixture
async def seeded(read_database: Database) -> AsyncIterator[datetime]:
    now = datetime.now(UTC)
    connection = await asyncpg.connect(read_database.admin_url)
    await connection.execute("SET search_path TO attendance")
    await connection.execute(
        "INSERT INTO organisation (org_id, name, time_zone) VALUES ('nobody', 'Nobody', 'UTC')"
    )
    await connection.executemany(ADD_DAY, some_days(now, random.Random(7)))
    await connection.close()
    yield now


async def test_the_cache_and_the_database_give_the_same_answer(
    read_database: Database, seeded: datetime, stack: StackEnv, topic_prefix: str
) -> None:
    metrics = QueryApiMetrics(CollectorRegistry())
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(
            open_pool(
                read_database.query_url,
                PoolOptions(size=2, statement_timeout_ms=5000, connect_timeout_seconds=2.0),
            )
        )
        model = PostgresReadModel(ReadPools(pool, None, metrics, monotonic=time.monotonic, retry_seconds=0.0))
        cache = await opened.enter_async_context(open_presence_cache(stack.valkey_url, topic_prefix, metrics))
        assert await cache.open_days("acme") is None
        days = await open_days_of(read_database.feed_url, seeded - CACHED_FOR)
        await fill_presence(stack.valkey_url, topic_prefix, days)

        async def asked(which: PresenceCache, scope: Scope, now: datetime, **page: Any) -> Presence:
            return await read_presence(
                site_id=page.pop("site_id", None),
                request=PageRequest(**page),
                scope=scope,
                read_model=model,
                cache=which,
                now=now,
            )

        shown = 0
        for scope in SCOPES:
            for now in (seeded, seeded - timedelta(minutes=30), seeded + timedelta(hours=10)):
                for limit in (1000, 7):
                    cursor: str | None = None
                    while True:
                        answers = [
                            await asked(which, scope, now, limit=limit, cursor=cursor)
                            for which in (cache, NoPresenceCache(metrics))
                        ]
                        assert answers[0] == answers[1]
                        shown += len(answers[0].people.items)
                        if (cursor := answers[0].people.next_cursor) is None:
                            break
        assert shown > 300
        one_site = [
            await asked(which, SCOPES[0], seeded, site_id="goa-1", limit=1000)
            for which in (cache, NoPresenceCache(metrics))
        ]
        assert one_site[0] == one_site[1]
        assert one_site[0].sites[0].present_count > 1


async def test_a_cache_that_is_away_costs_an_answer_a_moment_at_most() -> None:
    metrics = QueryApiMetrics(CollectorRegistry())
    async with open_presence_cache("redis://127.0.0.1:1/0", "", metrics) as cache:
        started = time.monotonic()
        for _ in range(50):
            assert await cache.open_days("acme") is None
        assert time.monotonic() - started < 1.0
    assert metrics.presence_fallbacks.labels("away")._value.get() == 50

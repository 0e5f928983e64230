"""The database shows a query one organisation, whatever the query asks for and whoever asked before."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from local_stack.for_tests.databases import Database
from query_api.adapters import postgres_pools
from query_api.adapters.named_queries import NamedQuery
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.errors import QueryTooSlow
from query_api.metrics import QueryApiMetrics

pytestmark = pytest.mark.integration

# Without a word about organisations: what a mistake in a query would be.
ANYBODY = "SELECT DISTINCT org_id FROM attendance.person"
SLOW = f"{ANYBODY}, pg_sleep(9)"
OF_ANYBODY = NamedQuery("anybody", f"{ANYBODY} WHERE $1::text IS NOT NULL", ("org_id",))
SLOW_OF_ANYBODY = NamedQuery("slow", f"{SLOW} WHERE $1::text IS NOT NULL", ("org_id",))
NAMED = "SELECT current_setting('attendance.org_id', true)"


@asynccontextmanager
async def one_connection(
    database: Database, metrics: QueryApiMetrics, timeout_ms: int = 5000
) -> AsyncIterator[tuple[ReadPools, asyncpg.Pool]]:
    options = PoolOptions(size=1, statement_timeout_ms=timeout_ms, connect_timeout_seconds=2.0)
    async with open_pool(database.query_url, options) as pool:
        yield ReadPools(pool, None, metrics, monotonic=time.monotonic, retry_seconds=0.0), pool


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two queries be asked that no file has."""
    queries = {each.name: each for each in (OF_ANYBODY, SLOW_OF_ANYBODY)}
    monkeypatch.setattr(postgres_pools, "named_query", queries.__getitem__)


async def seen(pools: ReadPools, org_id: str, name: str = "anybody") -> list[str]:
    return [row["org_id"] for row in await pools.fetch(name, org_id=org_id)]


@pytest.mark.usefixtures("asked")
async def test_organisations_in_turn_on_one_connection_never_see_each_other(
    read_database: Database, metrics: QueryApiMetrics
) -> None:
    async with one_connection(read_database, metrics) as (pools, pool):
        server = await pool.fetchval("SELECT pg_backend_pid()")
        in_turn = ["acme", "umbrella"] * 20
        assert [await seen(pools, each) for each in in_turn] == [[each] for each in in_turn]
        at_once = await asyncio.gather(*(seen(pools, each) for each in in_turn))
        assert at_once == [[each] for each in in_turn]
        assert await pool.fetchval("SELECT pg_backend_pid()") == server


@pytest.mark.usefixtures("asked")
async def test_a_query_that_names_no_organisation_sees_no_row(
    read_database: Database, metrics: QueryApiMetrics
) -> None:
    async with one_connection(read_database, metrics) as (pools, pool):
        assert await pool.fetch(ANYBODY) == []
        assert await seen(pools, "acme") == ["acme"]
        # The name has ended with its transaction: a pooler may lend the connection to anybody now.
        assert await pool.fetchval(NAMED) == ""
        assert await pool.fetch(ANYBODY) == []


@pytest.mark.usefixtures("asked")
async def test_a_query_that_was_given_up_leaves_no_name_behind(
    read_database: Database, metrics: QueryApiMetrics
) -> None:
    async with one_connection(read_database, metrics, timeout_ms=300) as (pools, pool):
        with pytest.raises(QueryTooSlow):
            await seen(pools, "acme", "slow")
        assert await pool.fetch(ANYBODY) == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await seen(pools, "acme", "slow")
        assert await pool.fetch(ANYBODY) == []
        assert await seen(pools, "umbrella") == ["umbrella"]


@pytest.mark.parametrize("org_id", ["acme' OR true --", "a\\'b", '"', "ацме", "umbrella'), ('x"])
@pytest.mark.usefixtures("asked")
async def test_an_id_is_only_ever_an_id(
    read_database: Database, metrics: QueryApiMetrics, org_id: str
) -> None:
    owner = await asyncpg.connect(read_database.url, ssl=False)
    await owner.execute("UPDATE attendance.person SET org_id = $1 WHERE person_id = 'p-1'", org_id)
    await owner.close()
    async with one_connection(read_database, metrics) as (pools, _):
        assert await seen(pools, org_id) == [org_id]
        assert await seen(pools, "umbrella") == ["umbrella"]

"""Replica away, both away, slow queries, busy pools: the answer asks to come back and is never wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from local_stack.for_tests.databases import Database
from query_api.adapters.postgres_pools import PoolOptions

pytestmark = pytest.mark.integration

ROUTE = "/v1/people"
NOBODY = "postgresql://query_api:x@127.0.0.1:1/none"


class Link:
    """A TCP link to a database that can be cut and mended."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[tuple[Link, str]]:
    link = Link(url)
    await link.mend()
    parts = urlsplit(url)
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{link.port}"
    try:
        yield link, parts._replace(netloc=netloc).geturl()
    finally:
        await link.cut()


async def test_the_primary_answers_while_the_replica_is_away(
    open_api: Callable[..., object], read_database: Database, registry: CollectorRegistry
) -> None:
    def value(name: str) -> float | None:
        return registry.get_sample_value(name)

    async with (
        linked(read_database.query_url) as (link, url),
        open_api(url, read_database.query_url) as client,
    ):
        assert (await client.get(ROUTE)).status_code == 200
        assert (value("query_api_replica_away"), value("query_api_primary_reads_total")) == (0, 0)
        await link.cut()
        for _ in range(3):
            response = await client.get(ROUTE)
            assert response.status_code == 200
            assert len(response.json()["items"]) == 3
        assert (value("query_api_replica_away"), value("query_api_primary_reads_total")) == (1, 3)
        await link.mend()
        assert (await client.get(ROUTE)).status_code == 200
        assert (value("query_api_replica_away"), value("query_api_primary_reads_total")) == (0, 3)


async def test_an_absent_replica_is_not_asked_again_at_once(
    open_api: Callable[..., object], read_database: Database, registry: CollectorRegistry
) -> None:
    async with linked(read_database.query_url) as (link, url):
        await link.cut()
        async with open_api(url, read_database.query_url, retry_seconds=300) as client:
            await client.get(ROUTE)
            await link.mend()
            assert (await client.get(ROUTE)).status_code == 200
            assert registry.get_sample_value("query_api_primary_reads_total") == 2


@pytest.mark.parametrize("primary_url", [None, NOBODY])
async def test_no_database_is_a_503_and_not_ready(
    open_api: Callable[..., object], registry: CollectorRegistry, primary_url: str | None
) -> None:
    async with open_api(NOBODY, primary_url) as client:
        response = await client.get(ROUTE)
        assert response.status_code == 503
        assert response.json()["type"] == "urn:problem:read-model-unavailable"
        assert int(response.headers["retry-after"]) > 0
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200
    assert registry.get_sample_value("query_api_query_failures_total", {"ending": "unavailable"}) == 2


async def test_a_database_without_the_read_model_is_a_503(
    open_api: Callable[..., object], database: Database
) -> None:
    async with open_api(database.query_url) as client:
        assert (await client.get(ROUTE)).json()["type"] == "urn:problem:read-model-unavailable"


@asynccontextmanager
async def locked_table(database: Database) -> AsyncIterator[None]:
    owner = await asyncpg.connect(database.url, ssl=False)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE attendance.person IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await owner.close()


async def test_a_slow_query_is_given_up(
    open_api: Callable[..., object], read_database: Database, registry: CollectorRegistry
) -> None:
    options = PoolOptions(size=2, statement_timeout_ms=100, connect_timeout_seconds=2.0)
    async with open_api(read_database.query_url, options=options) as client, locked_table(read_database):
        response = await client.get(ROUTE)
        assert response.status_code == 503
        assert response.json()["type"] == "urn:problem:query-too-slow"
        assert int(response.headers["retry-after"]) > 0
    assert registry.get_sample_value("query_api_query_failures_total", {"ending": "timeout"}) == 1


async def test_a_busy_pool_is_not_taken_for_an_absent_replica(
    open_api: Callable[..., object], read_database: Database, registry: CollectorRegistry
) -> None:
    options = PoolOptions(size=1, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
    url = read_database.query_url
    api = open_api(url, url, options=options, acquire_seconds=1.5)
    async with api as client, locked_table(read_database):
        statuses = await asyncio.gather(*(client.get(ROUTE) for _ in range(3)))
    assert {response.json()["type"] for response in statuses} == {"urn:problem:query-too-slow"}
    assert registry.get_sample_value("query_api_replica_away") == 0
    assert registry.get_sample_value("query_api_query_failures_total", {"ending": "busy"}) == 2

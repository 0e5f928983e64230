"""The API over a real read model: the projector's migration, two organisations, the login that only reads."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from attendance_schemas.apply import apply
from local_stack.environment import StackEnv
from local_stack.for_tests.databases import CloneTemplate, Database
from query_api.adapters.decision_feed import InMemoryDecisionFeed
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.adapters.postgres_read_model import PostgresReadModel
from query_api.adapters.valkey_presence_cache import NoPresenceCache
from query_api.app import create_app
from query_api.domain.scope import Caller
from query_api.http.services import Services
from query_api.metrics import QueryApiMetrics
from service_kit.observing.health import Health

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SEED, LARGE = (Path(__file__).with_name(name).read_text("utf-8") for name in ("seed.sql", "plans.sql"))
OPTIONS = PoolOptions(size=4, statement_timeout_ms=5000, connect_timeout_seconds=2.0)

CALLERS = {
    "acme": Caller(subject="u-1", roles=frozenset({"analyst"}), org_id="acme"),
    "pune": Caller(
        subject="u-2", roles=frozenset({"supervisor"}), org_id="acme", sites=frozenset({"pune-1"})
    ),
    "nowhere": Caller(subject="u-3", roles=frozenset({"hr"}), org_id="acme", sites=frozenset()),
    "hr": Caller(subject="hr-1", roles=frozenset({"hr"}), org_id="acme"),
    "umbrella": Caller(subject="u-4", roles=frozenset({"ops"}), org_id="umbrella"),
    "initech": Caller(subject="u-5", roles=frozenset({"analyst"}), org_id="initech"),
    "kiosk-3": Caller(subject="kiosk-3", roles=frozenset({"device"}), org_id="acme"),
    "kiosk-4": Caller(subject="kiosk-4", roles=frozenset({"device"}), org_id="acme"),
    "kiosk-5": Caller(subject="kiosk-5", roles=frozenset({"device"}), org_id="acme"),
}


async def migrate_and_fill(url: str, rows: str) -> None:
    """Prepare a template by the projector's own command, as production does; `rows`: a script."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "attendance_projector",
        "migrate",
        env={**os.environ, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    connection = await asyncpg.connect(url, ssl=False, server_settings={"search_path": "attendance"})
    try:
        await connection.execute(rows)
    finally:
        await connection.close()


@pytest.fixture
async def read_database(template_database: CloneTemplate) -> AsyncIterator[Database]:
    async with template_database("query_api", partial(migrate_and_fill, rows=SEED)) as database:
        yield database


@pytest.fixture
async def large_database(template_database: CloneTemplate) -> AsyncIterator[Database]:
    """A large organisation; a quarter of a minute to make, so ask for it once."""
    async with template_database("query_api_plans", partial(migrate_and_fill, rows=LARGE)) as database:
        yield database


@pytest.fixture
def memory_feed(metrics: QueryApiMetrics) -> InMemoryDecisionFeed:
    return InMemoryDecisionFeed(metrics, monotonic=time.monotonic)


OpenApi = Callable[..., Any]


@pytest.fixture
def open_api(
    metrics: QueryApiMetrics, registry: CollectorRegistry, tokens: Any, memory_feed: InMemoryDecisionFeed
) -> OpenApi:
    """`async with open_api(replica_url, primary_url) as client`: the application over these databases."""
    tokens.callers = CALLERS

    @asynccontextmanager
    async def opened(
        replica_url: str,
        primary_url: str | None = None,
        *,
        options: PoolOptions = OPTIONS,
        retry_seconds: float = 0.0,
        acquire_seconds: float = 5.0,
    ) -> AsyncIterator[httpx.AsyncClient]:
        async with AsyncExitStack() as stack:
            replica = await stack.enter_async_context(open_pool(replica_url, options))
            primary = (
                await stack.enter_async_context(open_pool(primary_url, options)) if primary_url else None
            )
            pools = ReadPools(
                replica,
                primary,
                metrics,
                monotonic=time.monotonic,
                retry_seconds=retry_seconds,
                acquire_seconds=acquire_seconds,
            )
            model = PostgresReadModel(pools)
            services = Services(
                read_model=model,
                presence=NoPresenceCache(metrics),
                decisions=memory_feed,
                tokens=tokens,
                metrics=metrics,
                now=lambda: NOW,
                monotonic=time.monotonic,
            )
            health = Health()
            health.add_ready("database", model.ping)
            transport = httpx.ASGITransport(app=create_app(services, health, registry))
            yield await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://api", headers=bearer("acme"))
            )

    return opened


@pytest.fixture
async def client(open_api: OpenApi, read_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with open_api(read_database.query_url) as made:
        yield made


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@pytest.fixture
def as_caller() -> Callable[[str], dict[str, str]]:
    """The header of one of CALLERS."""
    return bearer


@pytest.fixture
async def matches_prefix(stack: StackEnv, topic_prefix: str) -> AsyncIterator[str]:
    """A topic prefix under which the contract's topics and schemas are there."""
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=topic_prefix,
        partitions=2,
        single_broker=True,
    )
    yield topic_prefix
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics(
            [name for name in await admin.list_topics() if name.startswith(topic_prefix)]
        )
    finally:
        await admin.close()

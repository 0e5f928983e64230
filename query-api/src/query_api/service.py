"""The parts of query-api put together: open what it reads, then serve until a signal says stop."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.org_types import load_org_types
from attendance_schemas.registry import SchemaRegistry
from query_api.adapters.decision_feed import InMemoryDecisionFeed
from query_api.adapters.kafka_match_tail import KafkaMatchTail
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.adapters.postgres_read_model import PostgresReadModel
from query_api.adapters.valkey_presence_cache import NoPresenceCache, open_presence_cache
from query_api.app import create_app
from query_api.errors import QueryApiError
from query_api.http.services import Services
from query_api.metrics import QueryApiMetrics
from query_api.ports import PresenceCache
from query_api.settings import Settings
from service_kit.http.serve import serve
from service_kit.http.tokens import TokenVerifier
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health
from service_kit.observing.logs import get_logger

# What clients get while something is away.
NO_DATABASE = "requests get 503, but for decisions of the last moments and presence, without names"
NO_VALKEY = "presence comes from the database"
NO_KAFKA = "everything is answered; who waits for a decision gets it up to a second later"
NO_REGISTRY = (
    "everything is answered; decisions of a version newer than this one are told up to a second later"
)

log = get_logger(__name__)


async def serve_queries(settings: Settings, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    registry = CollectorRegistry()
    metrics = QueryApiMetrics(registry)
    feed = InMemoryDecisionFeed(metrics, monotonic=time.monotonic)
    health = Health()
    async with AsyncExitStack() as stack:
        services = await _open_services(settings, feed, metrics, health, stack)
        tail = await _open_tail(settings, feed, metrics, health, stack)
        await stack.enter_async_context(health.watching())
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(tail.run()), tasks.create_task(_stop_waiting(stopping, feed))]
            await serve(
                create_app(services, health, registry),
                settings.host,
                settings.port,
                stopping=stopping,
                tls=settings.tls(),
                on_listening=lambda port: log.info("listening", host=settings.host, port=port),
            )
            for task in beside:
                task.cancel()


async def _open_services(
    settings: Settings,
    feed: InMemoryDecisionFeed,
    metrics: QueryApiMetrics,
    health: Health,
    stack: AsyncExitStack,
) -> Services:
    read_model = PostgresReadModel(await _open_pools(settings, metrics, stack))
    tokens = TokenVerifier(settings.auth)
    health.need(Dependency("database", read_model.ping, away=QueryApiError, meanwhile=NO_DATABASE))
    health.add_ready("token-issuer", tokens.check)
    return Services(
        read_model=read_model,
        presence=await _open_presence(settings, metrics, health, stack),
        decisions=feed,
        tokens=tokens,
        metrics=metrics,
        now=_now,
        monotonic=time.monotonic,
        recheck=timedelta(seconds=settings.recheck_seconds),
        org_types=load_org_types(settings.org_types_dir),
    )


async def _open_pools(settings: Settings, metrics: QueryApiMetrics, stack: AsyncExitStack) -> ReadPools:
    options = PoolOptions(
        size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
        connect_timeout_seconds=settings.connect_timeout_seconds,
    )
    primary_url = settings.primary_database_url
    return ReadPools(
        await stack.enter_async_context(open_pool(settings.database.url.get_secret_value(), options)),
        await stack.enter_async_context(open_pool(primary_url.get_secret_value(), options))
        if primary_url
        else None,
        metrics,
        monotonic=time.monotonic,
        retry_seconds=settings.replica_retry_seconds,
    )


async def _open_presence(
    settings: Settings, metrics: QueryApiMetrics, health: Health, stack: AsyncExitStack
) -> PresenceCache:
    if settings.valkey.url is None:
        return NoPresenceCache(metrics)
    url, prefix = settings.valkey.url.get_secret_value(), settings.kafka.topic_prefix
    cache = await stack.enter_async_context(open_presence_cache(url, prefix, metrics, settings.valkey.tls()))
    health.use(Dependency("valkey", cache.check, meanwhile=NO_VALKEY))
    return cache


async def _open_tail(
    settings: Settings,
    feed: InMemoryDecisionFeed,
    metrics: QueryApiMetrics,
    health: Health,
    stack: AsyncExitStack,
) -> KafkaMatchTail:
    schemas = await stack.enter_async_context(SchemaRegistry(settings.registry.url, settings.registry.tls()))
    tail = KafkaMatchTail(settings.kafka, Codec(schemas), feed, metrics)
    health.use(Dependency("kafka", tail.check, meanwhile=NO_KAFKA))
    health.use(Dependency("schema-registry", schemas.check, away=RegistryUnavailable, meanwhile=NO_REGISTRY))
    return tail


async def _stop_waiting(stopping: asyncio.Event, feed: InMemoryDecisionFeed) -> None:
    await stopping.wait()
    feed.stop()


def _now() -> datetime:
    return datetime.now(UTC)

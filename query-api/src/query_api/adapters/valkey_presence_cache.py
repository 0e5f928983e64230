"""Presence as attendance-projector keeps it in Valkey, laid out as `attendance_schemas.presence` says."""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from attendance_schemas.presence import COUNTED, OpenDay, counts_key, days_key, marker_key, read_day
from query_api.metrics import QueryApiMetrics
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger
from service_kit.state.valkey import valkey_client

log = get_logger(__name__)

# The database answers in less; a cache that takes longer is none.
CALL_SECONDS = 0.5
# Not asked again for this long after it did not answer.
REST_SECONDS = 1.0


class ValkeyPresenceCache:
    """A PresenceCache over Valkey; use `open_presence_cache`."""

    def __init__(
        self,
        client: Redis,
        prefix: str,
        metrics: QueryApiMetrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._metrics = metrics
        self._monotonic = monotonic
        self._rest_until = 0.0

    async def open_days(self, org_id: str) -> Sequence[OpenDay] | None:
        """Return all open days of an organisation; None when the cache is away or not whole."""
        if self._monotonic() < self._rest_until:
            self._fall_back("away")
            return None
        try:
            generation = await self._client.get(marker_key(self._prefix))
            if generation is None:
                self._fall_back("not-whole")
                return None
            found = await self._whole(str(generation), org_id)
        except (RedisError, OSError, TimeoutError) as error:
            self._rest_until = self._monotonic() + REST_SECONDS
            log.warning("presence comes from the database", dependency="valkey", error=repr(error))
            self._fall_back("away")
            return None
        if found is None:
            self._fall_back("not-whole")
            return None
        self._metrics.presence.labels("cache").inc()
        return [read_day(org_id, field, value) for field, value in found.items()]

    async def _whole(self, generation: str, org_id: str) -> dict[str, str] | None:
        """Return the days as they lie there; None when they are not as many as were put there."""
        counts = counts_key(self._prefix, generation)
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hmget(counts, COUNTED, org_id)
            pipeline.hgetall(days_key(self._prefix, generation, org_id))
            (counted, count), found = await pipeline.execute()
        is_whole = counted is not None and len(found) == int(count or 0)
        return cast("dict[str, str]", found) if is_whole else None

    async def check(self) -> None:
        """Raise TransientFailure unless the cache answers."""
        try:
            await self._client.exists(marker_key(self._prefix))
        except (RedisError, OSError, TimeoutError) as error:
            raise TransientFailure("valkey", repr(error)) from error

    def _fall_back(self, why: str) -> None:
        self._metrics.presence.labels("read-model").inc()
        self._metrics.presence_fallbacks.labels(why).inc()


class NoPresenceCache:
    """A PresenceCache where none is installed."""

    def __init__(self, metrics: QueryApiMetrics) -> None:
        self._metrics = metrics

    async def open_days(self, _org_id: str) -> None:
        """Return None."""
        self._metrics.presence.labels("read-model").inc()


@asynccontextmanager
async def open_presence_cache(
    url: str, prefix: str, metrics: QueryApiMetrics, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ValkeyPresenceCache]:
    """Make a client; it connects when it is asked."""
    client = valkey_client(url, tls, call_seconds=CALL_SECONDS)
    try:
        yield ValkeyPresenceCache(client, prefix, metrics)
    finally:
        await client.aclose()

"""A client of Valkey whose calls end in time. Whether to ask again is for the caller to decide."""

import ssl
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def valkey_client(url: str, tls: ssl.SSLContext | None = None, *, call_seconds: float) -> Redis:
    """Make a client that gives text; it connects when it is needed, and no call takes longer.

    tls: as `ValkeySettings.tls` gives it; None for a URL without TLS.
    """
    client = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=call_seconds,
        socket_connect_timeout=call_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    if tls is not None:
        client.connection_pool.connection_class = _connections_by(tls)
    return client


def _connections_by(tls: ssl.SSLContext) -> type[SSLConnection]:
    """Return the library's connection, but with this context: its own reads certificates only once."""

    class Connection(SSLConnection):
        def _connection_arguments(self) -> Mapping[str, Any]:
            return {**super()._connection_arguments(), "ssl": tls}

    return Connection

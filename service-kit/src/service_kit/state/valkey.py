"""A client of Valkey whose calls end in time. Whether to ask again is for the caller to decide."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def valkey_client(url: str, *, call_seconds: float) -> Redis:
    """Make a client that gives text; it connects when it is needed, and no call takes longer."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=call_seconds,
        socket_connect_timeout=call_seconds,
        retry=Retry(NoBackoff(), 0),
    )

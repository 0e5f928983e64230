"""What ReadPools does with errors that a healthy server does not give on request."""

from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from query_api.adapters.postgres_pools import ReadPools
from query_api.errors import QueryTooSlow, ReadModelUnavailable
from query_api.metrics import QueryApiMetrics


class FakePool:
    """A pool of one connection, itself: `on_fetch` and `on_acquire` are raised when given."""

    def __init__(self, on_fetch: Exception | None = None, on_acquire: Exception | None = None) -> None:
        self.on_fetch = on_fetch
        self.on_acquire = on_acquire

    async def acquire(self, *, timeout: float) -> "FakePool":
        if self.on_acquire is not None:
            raise self.on_acquire
        return self

    async def release(self, connection: "FakePool") -> None:
        assert connection is self

    async def execute(self, text: str) -> None:
        """Begin and end transactions."""

    def is_closed(self) -> bool:
        return False

    async def fetch(self, text: str, *arguments: object) -> list[str]:
        if self.on_fetch is not None:
            raise self.on_fetch
        return ["row"]

    def get_size(self) -> int:
        return 0

    def get_max_size(self) -> int:
        return 1

    def get_idle_size(self) -> int:
        return 0


def pools(metrics: QueryApiMetrics, replica: Any, primary: Any = None) -> ReadPools:
    return ReadPools(replica, primary, metrics, monotonic=lambda: 1.0, retry_seconds=5)


async def test_a_read_that_the_replica_cancels_for_its_recovery_goes_to_the_primary(
    metrics: QueryApiMetrics, registry: CollectorRegistry
) -> None:
    conflict = asyncpg.SerializationError("canceling statement due to conflict with recovery")
    assert await pools(metrics, FakePool(conflict), FakePool()).fetch("ping") == ["row"]
    assert registry.get_sample_value("query_api_replica_away") == 0
    with pytest.raises(QueryTooSlow):
        await pools(metrics, FakePool(conflict)).fetch("ping")


async def test_a_connection_that_cannot_be_made_in_time_is_an_absent_server(
    metrics: QueryApiMetrics, registry: CollectorRegistry
) -> None:
    with pytest.raises(ReadModelUnavailable):
        await pools(metrics, FakePool(on_acquire=TimeoutError())).fetch("ping")
    assert registry.get_sample_value("query_api_replica_away") == 1


async def test_a_wrong_query_is_a_bug_and_no_outage(metrics: QueryApiMetrics) -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        await pools(metrics, FakePool(asyncpg.UndefinedColumnError("x")), FakePool()).fetch("ping")

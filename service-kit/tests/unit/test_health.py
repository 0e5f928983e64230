import asyncio
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service_kit.errors import TransientFailure
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import TopicPartition
from service_kit.observing.health import Health, ProgressWatchdog, StalledError, Steady, operations_app


async def well() -> None:
    pass


async def away() -> None:
    raise TransientFailure("database", "refused")


async def slow() -> None:
    await asyncio.Event().wait()


def client(health: Health, registry: CollectorRegistry | None = None) -> httpx.AsyncClient:
    app = operations_app(health, registry or CollectorRegistry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_ready_fails_while_live_does_not() -> None:
    health = Health(timeout=timedelta(milliseconds=10))
    health.add_live("progress", well)
    health.add_ready("database", away)
    health.add_ready("store", slow)
    async with client(health) as http:
        live = await http.get("/health/live")
        ready = await http.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "ok", "checks": {"progress": "ok"}})
    assert ready.status_code == 503
    assert ready.json()["checks"] == {
        "progress": "ok",
        "database": "database: refused",
        "store": "no answer within 0.01 s",
    }


async def test_metrics_are_served_and_lost_partitions_disappear() -> None:
    registry = CollectorRegistry()
    metrics = DeliveryMetrics(registry)
    metrics.observe({TopicPartition("numbers", 0): 5, TopicPartition("numbers", 1): 6}, waiting=1)
    metrics.observe({TopicPartition("numbers", 1): 2}, waiting=0)
    async with client(Health(), registry) as http:
        text = (await http.get("/metrics")).text
    assert 'delivery_lag_records{partition="1",topic="numbers"} 2.0' in text
    assert 'partition="0"' not in text


async def test_the_watchdog_wants_progress_only_while_there_is_lag() -> None:
    now, lag = 0.0, 0
    watchdog = ProgressWatchdog(lambda: lag, timedelta(seconds=30), clock=lambda: now)
    now = 100.0
    await watchdog.check()
    lag = 5
    now = 120.0
    await watchdog.check()
    now = 131.0
    with pytest.raises(StalledError, match="5 records wait"):
        await watchdog.check()
    watchdog.progressed()
    await watchdog.check()


async def test_no_address_leads_to_the_host_that_the_sender_names() -> None:
    app = operations_app(Health(), CollectorRegistry())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.get("/health/ready/", headers={"Host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


class Dependency:
    """Fails as told, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now, self.asked, self.failure = 0.0, 0, False

    async def check(self) -> None:
        self.asked += 1
        if self.failure:
            raise TransientFailure("store", "refused")

    async def well_at(self, steady: Steady, now: float) -> bool:
        self.now = now
        try:
            await steady.check()
        except TransientFailure:
            return False
        return True


async def test_a_steady_check_asks_rarely_and_forgives_one_failure() -> None:
    store = Dependency()
    steady = Steady(store.check, clock=lambda: store.now)
    assert [await store.well_at(steady, now) for now in (0.0, 0.4, 1.9)] == [True, True, True]
    assert store.asked == 1
    store.failure = True
    assert [await store.well_at(steady, now) for now in (2.0, 3.9, 4.0, 5.9)] == [True, True, False, False]
    store.failure = False
    assert await store.well_at(steady, 6.0)
    assert store.asked == 4


async def test_what_never_answered_is_away_at_once() -> None:
    assert not await (store := Dependency()).well_at(Steady(away, clock=lambda: store.now), 0.0)
    hanging = Steady(slow, timeout=timedelta(milliseconds=10))
    with pytest.raises(TransientFailure, match=r"no answer within 0\.01 s"):
        await hanging.check()

import asyncio
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service_kit.errors import TransientFailure
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import TopicPartition
from service_kit.observing.health import Health, ProgressWatchdog, StalledError, operations_app


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

"""Every server is reached through its proxy, and harm to a proxy reaches those who come through it only."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local_stack.running.stack import Stack
from local_stack.running.status import ServiceState

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest_asyncio.fixture
async def toxiproxy(stack_control: Stack) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(stack_control.start_service, "toxiproxy")
    async with httpx.AsyncClient(base_url=stack_control.toxiproxy_url) as client:
        yield client
        (await client.post("/reset")).raise_for_status()


async def broker_ports(bootstrap_servers: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=3000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    finally:
        await admin.close()
    return sorted(broker["port"] for broker in cluster["brokers"])


async def test_kafka_keeps_its_clients_on_the_proxy(stack_control, toxiproxy):
    direct, proxied = stack_control.env, stack_control.env_through_proxies
    for env in (direct, proxied):
        asked = [int(server.rpartition(":")[2]) for server in env.kafka_bootstrap_servers.split(",")]
        assert await broker_ports(env.kafka_bootstrap_servers) == sorted(asked)
    (await toxiproxy.post("/proxies/kafka", json={"enabled": False})).raise_for_status()
    with pytest.raises(KafkaError):
        await broker_ports(proxied.kafka_bootstrap_servers)
    assert await broker_ports(direct.kafka_bootstrap_servers)
    (await toxiproxy.post("/proxies/kafka", json={"enabled": True})).raise_for_status()
    assert await broker_ports(proxied.kafka_bootstrap_servers)


async def test_a_toxic_harms_a_connection_that_is_open(stack_control, toxiproxy):
    connection = await asyncpg.connect(stack_control.env_through_proxies.postgres_admin_url, ssl=False)
    assert await connection.fetchval("SELECT 1") == 1
    toxic = {"type": "reset_peer", "attributes": {"timeout": 0}}
    (await toxiproxy.post("/proxies/postgres/toxics", json=toxic)).raise_for_status()
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()


def test_the_stack_is_ready_without_it(stack_control):
    stack_control.start_service("toxiproxy")
    stack_control.stop_service("toxiproxy")
    status = stack_control.status()
    [found] = [service for service in status.services if service.name == "toxiproxy"]
    assert found.state is ServiceState.IDLE
    assert status.is_ready

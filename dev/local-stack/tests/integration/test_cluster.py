"""Three brokers and a streaming replica: what production has and one server cannot show."""

import asyncio
import time

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local_stack.running.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

REPLICATED_WITHIN_SECONDS = 20


async def test_writes_with_all_acks_go_on_without_one_broker(three_brokers: Stack) -> None:
    servers = three_brokers.env.kafka_bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=3, replication_factor=3)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:
        for partition in range(3):
            await producer.send_and_wait("kept", b"before", partition=partition)
        await asyncio.to_thread(three_brokers.stop_service, "kafka-2", kill=True)
        for partition in range(3):
            await producer.send_and_wait("kept", b"during", partition=partition)
    back = await asyncio.to_thread(three_brokers.start_service, "kafka-2")
    assert back.is_ready


async def test_replica_serves_what_the_primary_has_and_refuses_writes(three_brokers: Stack) -> None:
    owner = await asyncpg.connect(three_brokers.env.database_url)
    await owner.execute("CREATE TABLE kept (word text); GRANT SELECT ON kept TO attendance_reader")
    await owner.execute("INSERT INTO kept VALUES ('kept')")
    await owner.close()
    reader = await asyncpg.connect(three_brokers.env.query_database_url)
    assert await reader.fetchval("SELECT pg_is_in_recovery()")
    await replicated(reader, "SELECT to_regclass('kept') IS NOT NULL")
    await replicated(reader, "SELECT EXISTS (SELECT FROM kept)")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reader.execute("INSERT INTO kept VALUES ('no')")
    await reader.close()


async def test_replica_follows_again_after_the_primary_was_killed(three_brokers: Stack) -> None:
    await asyncio.to_thread(three_brokers.stop_service, "postgres", kill=True)
    reader = await asyncpg.connect(three_brokers.env.query_database_url)
    assert await reader.fetchval("SELECT 1") == 1
    await asyncio.to_thread(three_brokers.start_service, "postgres")
    owner = await asyncpg.connect(three_brokers.env.database_url)
    await owner.execute("CREATE TABLE later (id int)")
    await owner.close()
    await replicated(reader, "SELECT to_regclass('later') IS NOT NULL")
    await reader.close()


async def replicated(reader: asyncpg.Connection, question: str) -> None:
    deadline = time.monotonic() + REPLICATED_WITHIN_SECONDS
    while not await reader.fetchval(question):
        assert time.monotonic() < deadline, f"not replicated: {question}"
        await reader.execute("SELECT pg_sleep(0.02)")

import io

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio

from local_stack.environment import StackEnv
from local_stack.for_tests.databases import CloneTemplate, Database

pytestmark = pytest.mark.integration


async def test_a_record_comes_back_from_kafka(stack: StackEnv, topic_prefix: str) -> None:
    topic = f"{topic_prefix}captures"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, b"kept")
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=stack.kafka_bootstrap_servers,
        group_id=f"{topic_prefix}g",
        auto_offset_reset="earliest",
    )
    async with consumer:
        assert (await consumer.getone()).value == b"kept"
    await admin.delete_topics([topic])
    await admin.close()


async def test_database_belongs_to_the_projector_and_is_read_only_for_queries(database: Database) -> None:
    owner = await asyncpg.connect(database.url)
    await owner.execute("CREATE TABLE kept (id int); GRANT SELECT ON kept TO attendance_reader")
    await owner.execute("CREATE EXTENSION btree_gin")
    reader = await asyncpg.connect(database.query_url)
    assert await reader.fetch("SELECT * FROM kept") == []
    with pytest.raises(asyncpg.PostgresError):
        await reader.execute("INSERT INTO kept VALUES (1)")
    await reader.close()
    await owner.close()


async def test_template_is_prepared_once_and_clones_are_apart(template_database: CloneTemplate) -> None:
    prepared: list[str] = []

    async def prepare(url: str) -> None:
        prepared.append(url)
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE kept (id int)")
        await connection.close()

    for _ in range(2):
        async with template_database("example", prepare) as database:
            connection = await asyncpg.connect(database.url)
            assert await connection.fetchval("SELECT count(*) FROM kept") == 0
            await connection.execute("INSERT INTO kept VALUES (1)")
            await connection.close()
    assert len(prepared) == 1


def test_bucket_is_empty_and_writable(stack: StackEnv, bucket: str) -> None:
    client = Minio(
        stack.object_store_endpoint.removeprefix("http://"),
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        secure=False,
        region=stack.object_store_region,
    )
    assert list(client.list_objects(bucket)) == []
    client.put_object(bucket, "a/b", io.BytesIO(b"kept"), 4)
    assert [entry.object_name for entry in client.list_objects(bucket, recursive=True)] == ["a/b"]
    client._http.clear()

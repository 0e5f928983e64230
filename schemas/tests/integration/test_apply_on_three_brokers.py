"""What production has: three brokers of which one may be away, and a registry that may be lost."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.apply.cluster import Cluster, connected
from attendance_schemas.apply.schemas import archive_of
from attendance_schemas.codec import Codec
from attendance_schemas.errors import BrokerUnavailable, ContractMismatch, SchemaNotRegistered
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.schema_files import id_of_text, registered_texts, schema_text
from attendance_schemas.topics import MATCHES

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

PARTITIONS = 2


@pytest.fixture
def contract(three_brokers, topic_prefix):
    """Apply the contract to this test's topics, as in production."""

    async def applying(**options):
        servers, registry = three_brokers.env.kafka_bootstrap_servers, three_brokers.env.schema_registry_url
        return await apply(servers, registry, **{"prefix": topic_prefix, "partitions": PARTITIONS, **options})

    return applying


@pytest.fixture
async def admin(three_brokers):
    client = AIOKafkaAdminClient(bootstrap_servers=three_brokers.env.kafka_bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def test_every_topic_lies_on_three_brokers(contract, admin, topic_prefix):
    await contract()
    found = await Cluster(admin).topics(topic_prefix + topic.name for topic in all_topics())
    assert len(found) == len(all_topics())
    for name, topic in found.items():
        assert set(topic.replicas.values()) == {3}, name
        assert topic.settings["min.insync.replicas"].value == "2", name
    assert (await contract()).steps == []


async def test_a_broker_that_is_away_lowers_nothing(three_brokers, contract, topic_prefix):
    name = topic_prefix + MATCHES.name
    await contract()
    await asyncio.to_thread(three_brokers.stop_service, "kafka-3")
    try:
        for prefix in (topic_prefix, f"new.{topic_prefix}"):
            with pytest.raises(BrokerUnavailable, match=r"^2 of 3 brokers answer: 1 missing for 3 replicas"):
                await contract(prefix=prefix)
        async with connected(three_brokers.env.kafka_bootstrap_servers, {}) as brokers:
            found = await brokers.topics([name, f"new.{name}"])
        assert found.keys() == {name}
        assert set(found[name].replicas.values()) == {3}
        assert found[name].settings["min.insync.replicas"].value == "2"
    finally:
        await asyncio.to_thread(three_brokers.start_service, "kafka-3")
    assert (await contract()).steps == []


async def test_fewer_replicas_than_the_file_says_are_refused(contract, admin, topic_prefix):
    name = topic_prefix + MATCHES.name
    await admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)])
    while name not in await admin.list_topics():  # noqa: ASYNC110  # a broker hears of it a moment later
        await asyncio.sleep(0.02)
    with pytest.raises(ContractMismatch, match="fewer than 3 replicas in partitions 0, 1; give it more with"):
        await contract()
    assert [each for each in await admin.list_topics() if each.startswith(topic_prefix)] == [name]


@pytest.mark.cluster
async def test_three_brokers_are_no_single_one(contract):
    with pytest.raises(ContractMismatch, match="3 brokers answer, so this is no cluster for --single-broker"):
        await contract(single_broker=True)


@pytest.mark.cluster
async def test_a_lost_registry_is_restored_by_apply(three_brokers, contract, topic_prefix):
    servers, url = three_brokers.env.kafka_bootstrap_servers, three_brokers.env.schema_registry_url
    name = topic_prefix + MATCHES.name
    identity = id_of_text(schema_text("MatchDecided"))
    await contract()
    event = next(event for name, event, _ in golden_examples() if name == "MatchDecided/identified")
    async with SchemaRegistry(url) as registry, AIOKafkaProducer(bootstrap_servers=servers) as producer:
        codec = Codec(registry, prefix=topic_prefix)
        await codec.prepare([MATCHES])
        await producer.send_and_wait(name, codec.encode(event, MATCHES))

    await asyncio.to_thread(three_brokers.lose_registry)
    async with SchemaRegistry(url) as registry:
        with pytest.raises(SchemaNotRegistered, match=f"schema id {identity} is not in the registry"):
            await registry.schema_by_id(identity)
        # Another application comes first, and has the ids that a registry gives by itself.
        await registry._ask("POST", "/subjects/theirs/versions", {"schema": '"string"', "schemaType": "AVRO"})
        plan = await contract()
        assert (plan.topics, plan.settings, identity in plan.imports) == ([], [], True)
        assert await registry.schema_by_id(identity) == schema_text("MatchDecided")

        async with AIOKafkaConsumer(
            name, bootstrap_servers=servers, auto_offset_reset="earliest"
        ) as consumer:
            record = await consumer.getone()
        assert await Codec(registry).decode(record.value) == event
    with SchemaRegistryClient({"url": url}) as client:
        read = AvroDeserializer(client)(record.value, SerializationContext(name, MessageField.VALUE))
    assert (read["outcome"], read["person_id"]) == ("IDENTIFIED", "p-1042")


@pytest.mark.cluster
async def test_what_a_killed_apply_has_imported_is_kept_under_the_subjects_of_its_events(
    three_brokers, contract
):
    await asyncio.to_thread(three_brokers.lose_registry)
    async with SchemaRegistry(three_brokers.env.schema_registry_url) as registry:
        await registry.import_texts(registered_texts())  # and the kill comes before a subject is registered
        plan = await contract()
        assert (plan.imports, plan.archive) == ({}, registered_texts())
        for identity, text in registered_texts().items():
            assert await registry.found_id(archive_of(text), text) == identity
        assert (await contract(dry_run=True)).steps == []


@pytest.mark.cluster
async def test_a_registry_with_other_ids_is_refused(three_brokers, contract, topic_prefix):
    url, identity = three_brokers.env.schema_registry_url, id_of_text(schema_text("MatchDecided"))
    try:
        await asyncio.to_thread(three_brokers.lose_registry)
        async with SchemaRegistry(url) as registry:
            await registry.import_texts({identity: '"string"'})
            with pytest.raises(ContractMismatch, match=f"another schema under id {identity}; give this"):
                await contract()

            await asyncio.to_thread(three_brokers.lose_registry)
            body = {"schema": schema_text("MatchDecided"), "schemaType": "AVRO"}
            subject = f"{topic_prefix}{MATCHES.name}-attendance.MatchDecided"
            given = await registry._ask("POST", f"/subjects/{subject}/versions", body)
            with pytest.raises(SchemaNotRegistered, match=f"should be {identity}"):
                await Codec(registry, prefix=topic_prefix).prepare([MATCHES])
            with pytest.raises(ContractMismatch, match=f"under id {given['id']}, not {identity}"):
                await contract()
    finally:
        await asyncio.to_thread(three_brokers.lose_registry)

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered, TopicMismatch
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES, TOPICS

pytestmark = pytest.mark.integration


@pytest.fixture
async def applied(stack, topic_prefix):
    return await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=topic_prefix)


async def test_apply_twice_changes_nothing(stack, topic_prefix, applied):
    assert sorted(applied.created) == sorted(topic_prefix + topic.name for topic in all_topics())
    again = await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=topic_prefix)
    assert (again.created, again.configured) == ([], [])
    assert again.subjects == applied.subjects


async def test_other_partition_count_is_refused(stack, topic_prefix):
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix + MATCHES.name, num_partitions=1, replication_factor=1)])
    await admin.close()
    with pytest.raises(TopicMismatch, match="has 1 partitions, its topic file says 12"):
        await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=topic_prefix)


async def test_clients_of_others_read_what_we_write(stack, topic_prefix, applied):
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        codec = Codec(registry, prefix=topic_prefix)
        await codec.prepare(TOPICS.values())
        _, event, _ = next(golden for golden in golden_examples() if golden[0] == "MatchDecided/identified")
        name = topic_prefix + MATCHES.name
        async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
            await producer.send_and_wait(name, codec.encode(event, MATCHES), key=MATCHES.key_of(event))
        async with AIOKafkaConsumer(
            name, bootstrap_servers=stack.kafka_bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            record = await consumer.getone()
        assert await codec.decode(record.value) == event
    with SchemaRegistryClient({"url": stack.schema_registry_url}) as client:
        read = AvroDeserializer(client)(record.value, SerializationContext(name, MessageField.VALUE))
    assert read["outcome"] == "IDENTIFIED"
    assert read["person_id"] == "p-1042"
    assert read["occurred_at"] == event.occurred_at
    assert read["score"] == event.score


async def test_unregistered_schema_says_what_to_run(stack):
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        with pytest.raises(SchemaNotRegistered, match="attendance-schemas apply"):
            await Codec(registry, prefix="nobody.").prepare([MATCHES])


async def test_absent_registry_is_transient():
    async with SchemaRegistry("http://127.0.0.1:9/apis/ccompat/v7", timeout=0.5) as registry:
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            await registry.schema_by_id(1)

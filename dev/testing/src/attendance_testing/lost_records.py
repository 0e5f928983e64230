"""Records that Kafka deletes, as retention does, without waiting for it; and topics that are made again."""

from collections.abc import Mapping
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from attendance_schemas.apply import apply
from attendance_testing.polling import eventually
from local_stack.environment import StackEnv
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings


async def delete_before(bootstrap_servers: str, topic: str, partition: int, offset: int) -> None:
    """Delete the records of a partition that come before an offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def made_again(topic: str, prefix: str, stack: StackEnv, *, partitions: int) -> tuple[UUID, UUID]:
    """Delete a topic (full name) and make it again; return its ids, before and after."""
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    before = await identify_topics(kafka, [topic])
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()

    async def is_gone() -> bool:
        return not await identify_topics(kafka, [topic])

    await eventually(is_gone)
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=prefix,
        partitions=partitions,
        single_broker=True,
    )
    after = await identify_topics(kafka, [topic])
    return before[topic].topic_id, after[topic].topic_id


async def lose_end(topic: str, prefix: str, stack: StackEnv, ends: Mapping[int, int], partitions: int) -> int:
    """Let a topic (full name) be an older copy of itself, that ends so; return how many records are lost.

    Nothing else tells Kafka to forget its last records: the topic is made again, and has the first ones.
    """
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    records = [record async for record in records_of(kafka, topic)]
    kept = [record for record in records if record.offset < ends.get(record.partition, 0)]
    await made_again(topic, prefix, stack, partitions=partitions)
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
        for record in kept:
            await producer.send_and_wait(
                topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
            )
    return len(records) - len(kept)

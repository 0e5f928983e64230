"""Records that Kafka deletes, as retention does, without waiting for it; and topics that are made again."""

from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from attendance_schemas.apply import apply
from attendance_testing.polling import eventually
from local_stack.environment import StackEnv
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

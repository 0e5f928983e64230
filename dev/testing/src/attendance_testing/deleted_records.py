"""Records that Kafka deletes, as retention does, without waiting for it."""

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition


async def delete_before(bootstrap_servers: str, topic: str, partition: int, offset: int) -> None:
    """Delete the records of a partition that come before an offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()

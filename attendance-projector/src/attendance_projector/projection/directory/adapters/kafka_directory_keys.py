"""The keys of the directory's topic, as it is at this moment."""

from attendance_projector.projection.directory.take_back_missed import TopicKeys
from attendance_schemas.topics import DIRECTORY
from service_kit.kafka.bounded_reading import ends_of_topic, records_until
from service_kit.kafka.records import Position
from service_kit.settings import KafkaSettings


async def read_directory_keys(kafka: KafkaSettings) -> TopicKeys:
    """Read the whole topic; return the keys whose last record is no tombstone. Raises TransientFailure."""
    ends = await ends_of_topic(kafka, kafka.topic(DIRECTORY.name))
    keys: set[bytes] = set()
    async for chunk in records_until(kafka, {}, ends):
        for record in chunk.records:
            if record.value is None:
                keys.discard(record.key or b"")
            else:
                keys.add(record.key or b"")
    return TopicKeys(keys, [Position(*partition, end) for partition, end in ends.items()])

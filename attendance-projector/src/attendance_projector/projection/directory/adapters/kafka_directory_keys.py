"""The keys of the directory's topic, as it is at this moment."""

from collections.abc import Mapping

from attendance_projector.projection.directory.take_back_missed import TopicKeys
from service_kit.kafka.bounded_reading import bounds_of, records_until
from service_kit.kafka.claims import Claims
from service_kit.kafka.records import Position, TopicPartition
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)


async def read_directory_keys(
    kafka: KafkaSettings, positions: Mapping[TopicPartition, int]
) -> TopicKeys | None:
    """Read the whole topic; return the keys whose last record is no tombstone.

    positions: what was consumed of it. What a topic that lacks records does not have is no sign that it was
    taken back: None when its beginning was deleted, for it stays so, and nobody could ever accept that.
    Raises TransientFailure, and LogLost when it ends before the positions.
    """
    log.info("comparing the directory with its topic: tombstones may be gone")
    bounds = await bounds_of(kafka, list(positions))
    claims = Claims()
    claims.check_ends(positions, {each: end for each, (_, end) in bounds.items()}, is_start=True)
    for each, (first, _) in bounds.items():
        if first > 0:  # compaction leaves the beginning where it is
            log.error(
                "records of the directory were deleted; nothing is taken back",
                topic=each.topic,
                begins_at=first,
            )
            return None
    keys: set[bytes] = set()
    async for chunk in records_until(kafka, {}, {each: end for each, (_, end) in bounds.items()}):
        for record in chunk.records:
            if record.value is None:
                keys.discard(record.key or b"")
            else:
                keys.add(record.key or b"")
    return TopicKeys(keys, [Position(*each, end) for each, (_, end) in bounds.items()])

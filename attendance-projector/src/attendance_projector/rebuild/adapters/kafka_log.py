"""The log as a rebuild reads it: where partitions begin, and their records up to a position.

Partitions are assigned by the rebuild; what is committed to its group serves lag dashboards only.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from service_kit.errors import TransientFailure
from service_kit.kafka.consumer import read_record
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)
POLL_MS = 500
COMMIT_SECONDS = 1.0


async def beginnings(
    kafka: KafkaSettings, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Return the first offset that is left of each partition. Raises TransientFailure."""
    async with _consumer(kafka, None) as consumer:
        found = await consumer.beginning_offsets([_theirs(each) for each in partitions])
        return {TopicPartition(*each): offset for each, offset in found.items()}


async def records_until(
    kafka: KafkaSettings,
    group: str,
    positions: Mapping[TopicPartition, int],
    targets: Mapping[TopicPartition, int],
    *,
    max_records: int,
) -> AsyncGenerator[tuple[Sequence[Record], Sequence[Position]], None]:
    """Yield records from the positions up to the targets, with the partitions that are complete after them.

    A partition is complete when its target is reached, though compaction took its last records. Partitions
    without a position begin at their first record. Raises TransientFailure when Kafka is away.
    """
    open_partitions = {each: target for each, target in targets.items() if positions.get(each, 0) < target}
    if not open_partitions:
        return
    async with _consumer(kafka, group) as consumer:
        consumer.assign([_theirs(each) for each in open_partitions])
        first = await consumer.beginning_offsets([_theirs(each) for each in open_partitions])
        for each in open_partitions:
            consumer.seek(_theirs(each), max(positions.get(each, 0), first[_theirs(each)]))
        committed_at = time.monotonic()
        while open_partitions:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=max_records)
            records = [
                read_record(raw)
                for each, raws in fetched.items()
                for raw in raws
                if raw.offset < open_partitions.get(TopicPartition(*each), 0)
            ]
            complete = []
            for each, target in list(open_partitions.items()):
                if await consumer.position(_theirs(each)) >= target:
                    complete.append(Position(each.topic, each.partition, target))
                    del open_partitions[each]
                    consumer.pause(_theirs(each))
            if records or complete:
                yield records, complete
            if time.monotonic() - committed_at > COMMIT_SECONDS:
                committed_at = time.monotonic()
                await _commit(consumer, records)


async def _commit(consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
    last = {each.topic_partition: each.committable.next_offset for each in records}
    try:
        await consumer.commit({_theirs(each): offset for each, offset in last.items()})
    except KafkaError as error:
        log.info("the position for lag dashboards was not committed", error=repr(error))


@asynccontextmanager
async def _consumer(kafka: KafkaSettings, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=16 * 2**20,
        max_partition_fetch_bytes=2 * 2**20,
        **kafka.client_options(),
    )
    try:
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()
    except (KafkaError, TimeoutError) as error:
        raise TransientFailure("kafka", f"reading the log again: {error!r}") from error


def _theirs(partition: TopicPartition) -> aiokafka.TopicPartition:
    return aiokafka.TopicPartition(partition.topic, partition.partition)

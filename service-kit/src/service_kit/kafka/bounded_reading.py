"""Read a topic up to an end that is known at the start, and stop: for commands, rebuilds, audits and tests.

What a reader does not see is what compaction took; it ends all the same, since a client's position passes
over gaps. Records come in batches, as they are fetched. With a group, positions are committed now and then
for lag dashboards; where to read from is never taken from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from service_kit.errors import TransientFailure
from service_kit.kafka.claims import Claims
from service_kit.kafka.consumer import kafka_partition, read_record
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

PATIENCE = timedelta(seconds=30)
"""So long a silence before the end is reached is an outage."""
_POLL_MS = 500
_TOPIC_SPREADS_WITHIN = timedelta(seconds=2)
_ASK_AGAIN = timedelta(seconds=0.05)


class Chunk(NamedTuple):
    """Records of any partitions, in order per partition, and the partitions that are complete after them."""

    records: list[Record]
    complete: list[Position]


async def beginnings(
    kafka: KafkaSettings, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Return the first offset that is left of each partition. Raises TransientFailure."""
    async with _consumer(kafka) as consumer:
        found = await consumer.beginning_offsets([kafka_partition(each) for each in partitions])
        return {TopicPartition(*each): offset for each, offset in found.items()}


async def bounds_of(
    kafka: KafkaSettings, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, tuple[int, int]]:
    """Return the first offset that is left of each partition, and its end. Raises TransientFailure."""
    if not partitions:
        return {}
    async with _consumer(kafka) as consumer:
        firsts, ends = await _firsts_and_ends(consumer, partitions)
        return {each: (first, ends[each]) for each, first in firsts.items()}


async def partitions_of(kafka: KafkaSettings, *topics: str) -> list[TopicPartition]:
    """Return the partitions of topics (full names). Raises TransientFailure, also where there is none."""
    async with _consumer(kafka) as consumer:
        return [
            TopicPartition(topic, each)
            for topic in topics
            for each in sorted(await partitions_of_topic(consumer, topic))
        ]


async def offsets_at(
    kafka: KafkaSettings, partitions: Collection[TopicPartition], instant: datetime
) -> Mapping[TopicPartition, int | None]:
    """Return the first offset of each partition that was written then or later; None: there is none.

    Times are the broker's. Raises TransientFailure.
    """
    if not partitions:
        return {}
    async with _consumer(kafka) as consumer:
        asked = dict.fromkeys(map(kafka_partition, partitions), _milliseconds(instant))
        found = await consumer.offsets_for_times(asked)
        return {TopicPartition(*each): at and at.offset for each, at in found.items()}


async def records_of(
    kafka: KafkaSettings,
    topic: str,
    *,
    since: datetime | None = None,
    last: int | None = None,
    patience: timedelta = PATIENCE,
) -> AsyncGenerator[Record, None]:
    """Yield what a topic (full name) holds now, from its beginning or from an instant by the broker's clock.

    last: at most so many of the last records of each partition.

    Raises:
        TransientFailure: Kafka is away or has no such topic.
    """
    async with _consumer(kafka) as consumer:
        async with asyncio.timeout(patience.total_seconds()):
            partitions = [TopicPartition(topic, each) for each in await partitions_of_topic(consumer, topic)]
            consumer.assign([kafka_partition(each) for each in partitions])
            starts, ends = await _bounds(consumer, partitions, since)
        if last is not None:
            starts = {each: max(start, ends[each] - last) for each, start in starts.items()}
        async with aclosing(_chunks(consumer, starts, ends, patience=patience)) as chunks:
            async for chunk in chunks:
                for record in chunk.records:
                    yield record


async def records_until(
    kafka: KafkaSettings,
    positions: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    *,
    told: Mapping[TopicPartition, int] | None = None,
    group: str | None = None,
    commit_every: timedelta = timedelta(seconds=1),
    max_records: int | None = None,
    patience: timedelta = PATIENCE,
) -> AsyncGenerator[Chunk, None]:
    """Yield the records of these partitions from the positions up to the ends, in chunks as fetched.

    A partition is complete when its end is reached, though compaction took its last records. Partitions
    without a position begin at their first record. `group` (full name) is for lag dashboards only. `told`:
    what was given out before, where that is less than the position, since there is nothing in between.

    Raises:
        TransientFailure: Kafka is away.
        LogLost: the log begins after a position, or ends before an end.
    """
    left = {each: end for each, end in ends.items() if positions.get(each, 0) < end}
    if not left:
        return
    async with _consumer(kafka, group) as consumer:
        consumer.assign([kafka_partition(each) for each in left])
        firsts, found = await _firsts_and_ends(consumer, left)
        _check_log(positions, left, firsts, found)
        starts = {each: positions.get(each, firsts[each]) for each in left}
        stood = {each: positions.get(each, 0) for each in left} | dict(told or {})
        reading = _chunks(consumer, starts, left, told=stood, max_records=max_records, patience=patience)
        async with aclosing(reading) as chunks:
            committed_at = time.monotonic()
            async for chunk in chunks:
                yield chunk
                if group is not None and time.monotonic() - committed_at >= commit_every.total_seconds():
                    committed_at = time.monotonic()
                    await _commit(consumer, chunk)


async def _firsts_and_ends(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    theirs = [kafka_partition(each) for each in partitions]
    firsts, ends = await consumer.beginning_offsets(theirs), await consumer.end_offsets(theirs)
    return (
        {TopicPartition(*each): offset for each, offset in firsts.items()},
        {TopicPartition(*each): offset for each, offset in ends.items()},
    )


def _check_log(
    positions: Mapping[TopicPartition, int],
    targets: Mapping[TopicPartition, int],
    firsts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> None:
    claims = Claims()
    for each in targets:
        claims.begin(each, positions.get(each))
    claims.check_beginnings(firsts)
    claims.check_ends(targets, ends, is_start=True)


async def _chunks(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    *,
    told: Mapping[TopicPartition, int] | None = None,
    max_records: int | None = None,
    patience: timedelta,
) -> AsyncGenerator[Chunk, None]:
    """Read what is assigned, each partition from its start to its end; `told` is where positions stood."""
    left, claims = dict(ends), Claims()
    for each, position in (told or starts).items():
        claims.begin(each, position)
    for each, offset in starts.items():
        consumer.seek(kafka_partition(each), offset)
    if complete := await _take_complete(consumer, left):
        yield Chunk([], complete)
    heard_at = time.monotonic()
    while left:
        fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=max_records)
        records = [
            record
            for each, raws in fetched.items()
            for record in claims.read(TopicPartition(*each), raws, read_record)
            if record.offset < left.get(TopicPartition(*each), 0)
        ]
        complete = await _take_complete(consumer, left)
        if records or complete:
            yield Chunk(records, complete)
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > patience.total_seconds():
            waited = ", ".join(f"{each.topic}[{each.partition}]" for each in sorted(left))
            raise TransientFailure("kafka", f"no answer for {patience} before the end of {waited}")


async def _take_complete(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int]) -> list[Position]:
    """Take the partitions whose end is reached out of those that are left."""
    complete = []
    for each, end in list(left.items()):
        if await consumer.position(kafka_partition(each)) >= end:
            complete.append(Position(each.topic, each.partition, end))
            del left[each]
            consumer.pause(kafka_partition(each))
    return complete


async def _bounds(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], since: datetime | None
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return where to start and to end in each partition; without records since then, both are its end."""
    theirs = [kafka_partition(each) for each in partitions]
    ends: dict[Any, int] = await consumer.end_offsets(theirs)
    if since is None:
        starts: dict[Any, int] = await consumer.beginning_offsets(theirs)
    else:
        found = await consumer.offsets_for_times(dict.fromkeys(theirs, _milliseconds(since)))
        starts = {each: ends[each] if at is None else at.offset for each, at in found.items()}
    return (
        {each: starts[kafka_partition(each)] for each in partitions},
        {each: ends[kafka_partition(each)] for each in partitions},
    )


def _milliseconds(instant: datetime) -> int:
    """Return an instant as Kafka has it; below zero means something else there."""
    return max(0, int(instant.timestamp() * 1000))


async def _commit(consumer: AIOKafkaConsumer, chunk: Chunk) -> None:
    last = {each.topic_partition: each.committable.next_offset for each in chunk.records}
    try:
        await consumer.commit({kafka_partition(each): offset for each, offset in last.items()})
    except KafkaError as error:
        log.info("the position for lag dashboards was not committed", error=repr(error))


async def partitions_of_topic(consumer: AIOKafkaConsumer, topic: str) -> Collection[int]:
    """Ask a broker for the partitions, for a while: a topic just created is not known to each yet.

    Raises:
        TransientFailure: there is no such topic.
    """
    until = time.monotonic() + _TOPIC_SPREADS_WITHIN.total_seconds()
    while True:
        # The public calls tell the partitions of a topic only once it is subscribed or assigned.
        metadata = await consumer._client.fetch_all_metadata()
        numbers: Collection[int] | None = metadata.partitions_for_topic(topic)
        if numbers:
            return numbers
        if time.monotonic() > until:
            raise TransientFailure("kafka", f"no topic {topic}: create it")
        await asyncio.sleep(_ASK_AGAIN.total_seconds())


@asynccontextmanager
async def _consumer(kafka: KafkaSettings, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
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
        raise TransientFailure("kafka", f"cannot read to the end: {error!r}") from error

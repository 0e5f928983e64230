"""Where the group goes on, looked at before a worker joins it, and set when somebody has decided.

Kafka forgets the positions of a group that has had no member for `offsets.retention.minutes`, all at once. A
group without any is new, or was away for too long; what the workers have written tells which. Since a worker
commits a position for each of its partitions before it takes the first record, a group that has written
something has positions, or has lost them.
"""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, UnknownMemberIdError

from recognition_worker.errors import PositionsLost, PositionsRefused
from service_kit.errors import TransientFailure
from service_kit.kafka.bounded_reading import partitions_of_topic
from service_kit.kafka.group_offsets import group_offsets
from service_kit.settings import KafkaSettings

EARLIEST, END = "earliest", "end"
From = datetime | str
"""An instant: the first record written at it or later; or EARLIEST or END."""

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class GroupPositions:
    """The positions of one group on the topics that it consumes; names are full names.

    written: topics that hold something as soon as the group has decided anything.
    """

    kafka: KafkaSettings
    group: str
    topics: tuple[str, ...]
    written: tuple[str, ...]

    async def check(self) -> None:
        """Return when the group has positions, or needs none because it is new.

        Raises:
            PositionsLost: it has decided things, there are records to read, and its positions are gone.
            TransientFailure: Kafka is away.
        """
        with_positions = {partition.topic for partition in await self._committed()}
        if with_positions & set(self.topics):
            return
        async with self._consumer(group=None) as consumer:
            begins, ends = await _bounds(consumer, self.topics)
            waiting = sum(ends[partition] - begins[partition] for partition in ends)
            _, decided = await _bounds(consumer, self.written)
        if waiting and any(decided.values()):
            raise PositionsLost(
                f"the group {self.group} has no positions, though it has decided things before: it was away "
                "for longer than the brokers keep them (offsets.retention.minutes), or somebody deleted "
                f"them. From the beginning, {waiting} records would be decided again. Say once where to go "
                "on, with `recognition-worker go-on-from end|earliest|TIME`, and start the workers again"
            )

    async def go_on_from(self, where: From, topics: Collection[str]) -> dict[str, int]:
        """Commit where to go on with some of the topics, and the earliest of the others.

        Returns by topic how many records lie ahead.

        Raises:
            PositionsRefused: the group has positions, or a worker is running.
            TransientFailure: Kafka is away.
        """
        async with self._consumer(group=self.group) as consumer:
            begins, ends = await _bounds(consumer, self.topics)
            if (committed := await self._committed()).keys() & begins.keys():
                positions = {tp: committed.get(tp, begin) for tp, begin in begins.items()}
                counts = _ahead(self.topics, positions, ends).items()
                raise PositionsRefused(
                    f"the group {self.group} has positions, and its workers go on there by themselves; ahead "
                    f"of them: {', '.join(f'{count} records of {topic}' for topic, count in counts)}. "
                    "Nothing was changed"
                )
            chosen = {tp: begin for tp, begin in begins.items() if tp.topic not in topics}
            asked = [tp for tp in begins if tp.topic in topics]
            chosen |= await _found(consumer, where, asked, begins, ends)
            consumer.assign(list(chosen))
            try:
                await consumer.commit(chosen)
            except (CommitFailedError, UnknownMemberIdError) as error:
                raise PositionsRefused(
                    f"a member of the group {self.group} is running: stop all workers, then try again"
                ) from error
        return _ahead(self.topics, chosen, ends)

    async def _committed(self) -> Offsets:
        found = await group_offsets(self.kafka, self.group)
        return {TopicPartition(*partition): offset for partition, offset in found.items()}

    @asynccontextmanager
    async def _consumer(self, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **self.kafka.client_options())
        with _transient(f"positions of {self.group}"):
            try:
                await consumer.start()
                yield consumer
            finally:
                await consumer.stop()


@contextmanager
def _transient(about: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise TransientFailure("kafka", f"{about}: {error!r}") from error


async def _bounds(consumer: AIOKafkaConsumer, topics: Collection[str]) -> tuple[Offsets, Offsets]:
    """Return the first offset of each partition, and the one after the last."""
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(await partitions_of_topic(consumer, topic))
    ]
    return await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)


def _ahead(topics: Collection[str], positions: Offsets, ends: Offsets) -> dict[str, int]:
    ahead = dict.fromkeys(topics, 0)
    for tp, offset in positions.items():
        ahead[tp.topic] += ends[tp] - offset
    return ahead


async def _found(
    consumer: AIOKafkaConsumer, where: From, partitions: list[TopicPartition], begins: Offsets, ends: Offsets
) -> Offsets:
    if where == EARLIEST:
        return {tp: begins[tp] for tp in partitions}
    if not isinstance(where, datetime):
        return {tp: ends[tp] for tp in partitions}
    at = int(where.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, at))
    return {tp: ends[tp] if found.get(tp) is None else found[tp].offset for tp in partitions}

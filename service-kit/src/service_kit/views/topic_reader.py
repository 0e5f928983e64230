"""Read every partition of a topic without a consumer group: what views and tails of a topic have in common.

The reader keeps its own positions and goes on from them when its client had to be replaced, so that a
restart of the broker is a pause and not a gap. It notices new partitions. Every few seconds it asks where the
topic ends, so that a reader that is cut off, or too slow, knows that it is behind. It reads no further ahead
than its client does, and lets others run in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from service_kit.backoff import Backoff
from service_kit.errors import LogLost, PoisonRecord, TransientFailure, ViewOutdated
from service_kit.kafka.bounded_reading import partitions_of_topic
from service_kit.kafka.consumer import read_record
from service_kit.kafka.records import Position, Record
from service_kit.kafka.topic_ids import TopicIdentity
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.topic_ends import CALL_LIMIT, TopicEnds, reading_client, stop_client

log = get_logger(__name__)

BEHIND_AFTER = timedelta(seconds=15)
"""So long may pass since a reader last knew all that its topic held; then it is behind."""
_ASK_EVERY = timedelta(seconds=3)
_POLL = timedelta(seconds=0.5)
_RECORDS_AT_ONCE = 500
# The loop's other tasks wait so long at most, besides one record and what the client does at a stretch.
_STRETCH_SECONDS = 0.01

OnRecord = Callable[[Record], Awaitable[None] | None]
"""Takes a record in; what it returns to wait for is awaited before the next one."""


class StartAt(Enum):
    """Where the partitions that exist at the start are read from; later ones from their beginning."""

    BEGINNING = "beginning"
    END = "end"


def seconds_passed() -> float:
    """Tell a time that also passes while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class TopicReader:
    """Calls `on_record` for each record of all partitions, in order per partition, from a task of its own.

    `outdated_after`: for readers of a compacted topic. After so long without contact they may have missed
    tombstones; then the reader ends with ViewOutdated. It ends with LogLost when its topic was made anew, or
    ends before what was read.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        on_record: OnRecord,
        *,
        start_at: StartAt,
        start_timeout: timedelta = timedelta(seconds=30),
        metadata_max_age: timedelta = timedelta(seconds=30),
        behind_after: timedelta = BEHIND_AFTER,
        outdated_after: timedelta | None = None,
        clock: Callable[[], float] = seconds_passed,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._on_record = on_record
        self._start_at = start_at
        self._start_timeout = start_timeout
        self._metadata_max_age = metadata_max_age
        self._behind_after = behind_after
        self._outdated_after = outdated_after
        self._clock = clock
        self._next: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._ends = TopicEnds(kafka, topic)
        self._identity: TopicIdentity | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._current_as_of = 0.0
        self._trouble = "it is slow"
        self._fetched_at = 0.0
        self._pause_at = 0.0

    async def open(self) -> Mapping[int, range]:
        """Connect, settle where to start and read on in the background; give what there is, by partition.

        Raises:
            TransientFailure: Kafka is away or has no such topic; call again.
        """
        try:
            if self._outdated_after is not None:
                # Before anything is read: what is read of another topic from here on is noticed.
                self._identity = await self._ends.identity(self._start_timeout)
            return await self._open()
        except BaseException:
            await self._ends.close()
            raise

    async def _open(self) -> Mapping[int, range]:
        consumer = await self._connect(self._start_timeout)
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._start_timeout.total_seconds()):
                found = await consumer.beginning_offsets(consumer.assignment())
            firsts = {tp.partition: offset for tp, offset in found.items()}
            # By the client that asks again and again: who closes the reader soon cuts no connection short
            # that is being made, which would stay open.
            ends = await self._ends.ask(firsts, self._start_timeout)
        except TransientFailure:
            await stop_client(consumer)
            raise
        except (KafkaError, TimeoutError) as error:
            await stop_client(consumer)
            raise TransientFailure("kafka", f"offsets of {self._topic}: {error!r}") from error
        self._next = dict(firsts if self._start_at is StartAt.BEGINNING else ends)
        self._current_as_of = asked_at
        self._consumer = consumer
        self._tasks = (
            asyncio.create_task(self._read(), name=f"reader of {self._topic}"),
            asyncio.create_task(self._watch(), name=f"watcher of {self._topic}"),
        )
        return {partition: range(self._next[partition], end) for partition, end in ends.items()}

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()
        await self._ends.close()

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """The next offset to read, by partition."""
        return self._next

    @property
    def fetched_at(self) -> float:
        """When the record that is being taken in was here, by the loop's clock."""
        return self._fetched_at

    @property
    def seconds_behind(self) -> float:
        """How long ago the reader last knew all that the topic held."""
        return self._clock() - self._current_as_of

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before the position was given to `on_record`; False after the timeout."""
        return await self.passed({position.partition: position.next_offset}, timeout)

    async def passed(self, next_offsets: Mapping[int, int], timeout: timedelta) -> bool:
        """Wait until all these next offsets, by partition, are reached; False after the timeout."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._pass(next_offsets)
        except TimeoutError:
            return False
        return True

    async def caught_up(self, timeout: timedelta) -> bool:
        """Wait until everything that the topic holds now was given to `on_record`; False after the timeout.

        Raises:
            TransientFailure: Kafka is away, so that nobody knows what the topic holds.
            LogLost: the topic is another than at the start.
        """
        self._raise_end()
        if not self._tasks:
            raise TransientFailure("kafka", f"{self._topic}: not started")
        if not await self.passed(await self._ends.ask(self._next, min(timeout, CALL_LIMIT)), timeout):
            return False
        await self._look_whether_same_topic(min(timeout, CALL_LIMIT))
        return True

    async def check(self) -> None:
        """Raise when the reader has died of a bug in `on_record`, or is behind."""
        self._raise_end()
        if not self._tasks:
            raise TransientFailure("kafka", f"{self._topic}: not started")
        if (behind := self.seconds_behind) > self._behind_after.total_seconds():
            raise TransientFailure("kafka", f"{self._topic}: {behind:.0f} s behind, {self._trouble}")

    async def join(self) -> None:
        """Wait for the reader's end: it ends only when it is closed, or raises what it died of."""
        if self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()

    async def _pass(self, next_offsets: Mapping[int, int]) -> None:
        def there() -> bool:
            self._raise_end()
            return all(self._next.get(partition, 0) >= offset for partition, offset in next_offsets.items())

        async with self._moved:
            await self._moved.wait_for(there)

    def _raise_end(self) -> None:
        for task in self._tasks:
            if task.done():
                if task.cancelled():
                    raise TransientFailure("kafka", f"{self._topic}: the reader is stopped")
                task.result()

    async def _read(self) -> None:
        backoff = Backoff()
        try:
            while True:
                try:
                    self._consumer = self._consumer or await self._connect(CALL_LIMIT)
                    await self._follow(self._consumer, backoff)
                except (KafkaError, TimeoutError, TransientFailure) as error:
                    self._trouble = f"the reader waits for Kafka: {error!r}"
                    log.warning(
                        "topic reader reconnects", dependency="kafka", topic=self._topic, error=repr(error)
                    )
                    await self._disconnect()
                    await asyncio.sleep(backoff.next_delay().total_seconds())
        finally:
            await self._tell()

    async def _watch(self) -> None:
        """Find out again and again what the topic holds, and since when all of it is taken in."""
        backoff = Backoff(maximum=_ASK_EVERY)
        try:
            while True:
                asked_at, before = self._clock(), dict(self._next)
                try:
                    ends = await self._ends.ask(before)
                    await self._look_whether_same_topic(CALL_LIMIT)
                except TransientFailure as failure:
                    self._trouble = str(failure)
                    await asyncio.sleep(backoff.next_delay().total_seconds())
                    continue
                self._look_whether_outdated(before, ends)
                await self._pass(ends)
                self._current_as_of, self._trouble = asked_at, "it is slow"
                backoff.reset()
                await asyncio.sleep(_ASK_EVERY.total_seconds())
        finally:
            await self._tell()

    def _look_whether_outdated(self, read: Mapping[int, int], ends: Mapping[int, int]) -> None:
        if self._outdated_after is None:
            return
        if self.seconds_behind > self._outdated_after.total_seconds():
            raise ViewOutdated(self._topic, timedelta(seconds=self.seconds_behind))
        if lost := {number: end for number, end in ends.items() if end < read.get(number, 0)}:
            raise LogLost(
                f"{self._topic} ends before what was read (partition and end: {lost}): it was made anew, "
                "or lost records; start again, so that what it holds now is read"
            )

    async def _look_whether_same_topic(self, timeout: timedelta) -> None:
        if self._identity is not None and await self._ends.identity(timeout) != self._identity:
            raise LogLost(f"{self._topic} was made anew; start again, so that what it holds now is read")

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _follow(self, consumer: AIOKafkaConsumer, backoff: Backoff) -> None:
        partitions: list[Any] = []
        while True:
            if set(partitions) != set(found := self._partitions(consumer)):
                partitions = found
                consumer.assign(partitions)
                for tp in partitions:
                    consumer.seek(tp, self._next.setdefault(tp.partition, 0))
            fetched = await consumer.getmany(
                timeout_ms=int(_POLL.total_seconds() * 1000), max_records=_RECORDS_AT_ONCE
            )
            await self._take_in(fetched)
            await self._skip_gaps(consumer, partitions)
            backoff.reset()
            await self._tell()

    async def _take_in(self, fetched: Mapping[Any, list[Any]]) -> None:
        clock = asyncio.get_running_loop().time
        self._fetched_at = clock()
        for tp, records in fetched.items():
            for raw in records:
                await self._apply(read_record(raw))
                self._next[tp.partition] = raw.offset + 1
                # Neither the client nor `on_record` need have waited for anything.
                if clock() >= self._pause_at:
                    await asyncio.sleep(0)
                    self._pause_at = clock() + _STRETCH_SECONDS

    async def _apply(self, record: Record) -> None:
        try:
            waiting = self._on_record(record)
            if waiting is not None:
                await waiting
        except PoisonRecord as poison:
            log.warning(
                "poison record left out", record=str(record), reason=poison.reason, detail=poison.detail
            )

    async def _skip_gaps(self, consumer: AIOKafkaConsumer, partitions: list[Any]) -> None:
        # Offsets that compaction or markers took hold no record; the client's position passes them.
        async with asyncio.timeout(CALL_LIMIT.total_seconds()):
            for tp in partitions:
                self._next[tp.partition] = max(self._next[tp.partition], await consumer.position(tp))

    def _partitions(self, consumer: AIOKafkaConsumer) -> list[Any]:
        numbers = consumer.partitions_for_topic(self._topic)
        if numbers is None:  # not in the client's metadata yet
            return sorted(consumer.assignment())
        return [aiokafka.TopicPartition(self._topic, number) for number in sorted(numbers)]

    async def _connect(self, timeout: timedelta) -> AIOKafkaConsumer:
        """Connect a client that has all partitions assigned, at no position yet."""
        consumer = reading_client(self._kafka, metadata_max_age=self._metadata_max_age)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await consumer.start()
                numbers = await partitions_of_topic(consumer, self._topic)
        except (KafkaError, TimeoutError) as error:
            await stop_client(consumer)
            raise TransientFailure("kafka", f"cannot read {self._topic}: {error!r}") from error
        except BaseException:
            await stop_client(consumer)
            raise
        consumer.assign([aiokafka.TopicPartition(self._topic, number) for number in sorted(numbers)])
        return consumer

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_client(consumer)

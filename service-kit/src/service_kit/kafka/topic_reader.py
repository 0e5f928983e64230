"""Read every partition of a topic without a consumer group: what views and tails of a topic have in common.

The reader keeps its own positions and goes on from them when its client had to be replaced, so that a
restart of the broker is a pause and not a gap. It notices new partitions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from service_kit.backoff import Backoff
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.consumer import read_record
from service_kit.kafka.records import Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

_POLL = timedelta(seconds=0.5)
# A call that takes longer than this found a dead connection; the client is replaced.
_CALL = timedelta(seconds=10)
_TOPIC_SPREADS_WITHIN = timedelta(seconds=2)
_ASK_AGAIN = timedelta(seconds=0.05)


class StartAt(Enum):
    """Where the partitions that exist at the start are read from; later ones from their beginning."""

    BEGINNING = "beginning"
    END = "end"


class TopicReader:
    """Calls `on_record` for each record of all partitions, in order per partition, from a task of its own."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        on_record: Callable[[Record], None],
        *,
        start_at: StartAt,
        start_timeout: timedelta = timedelta(seconds=30),
        metadata_max_age: timedelta = timedelta(seconds=30),
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._on_record = on_record
        self._start_at = start_at
        self._start_timeout = start_timeout
        self._metadata_max_age = metadata_max_age
        self._next: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._behind: str | None = "not started"

    async def open(self) -> dict[int, int]:
        """Connect, settle where to start and read on from there in the background; give the end offsets seen.

        Raises:
            TransientFailure: Kafka is away or has no such topic; call again.
        """
        consumer = await self._connect(self._start_timeout)
        try:
            async with asyncio.timeout(self._start_timeout.total_seconds()):
                partitions = list(consumer.assignment())
                firsts = await consumer.beginning_offsets(partitions)
                ends = await consumer.end_offsets(partitions)
        except (KafkaError, TimeoutError) as error:
            await _stop(consumer)
            raise TransientFailure("kafka", f"offsets of {self._topic}: {error!r}") from error
        start = firsts if self._start_at is StartAt.BEGINNING else ends
        self._next = {tp.partition: offset for tp, offset in start.items()}
        self._behind = None
        self._consumer = consumer
        self._task = asyncio.create_task(self._read(), name=f"reader of {self._topic}")
        return {tp.partition: offset for tp, offset in ends.items()}

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()
        async with self._asking:
            asker, self._asker = self._asker, None
        if asker is not None:
            await _stop(asker)

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before the position was given to `on_record`; False after the timeout."""
        return await self.passed({position.partition: position.next_offset}, timeout)

    async def passed(self, next_offsets: Mapping[int, int], timeout: timedelta) -> bool:
        """Wait until all these next offsets, by partition, are reached; False after the timeout."""

        def there() -> bool:
            self._raise_bug()
            return all(self._next.get(partition, 0) >= offset for partition, offset in next_offsets.items())

        try:
            async with asyncio.timeout(timeout.total_seconds()), self._moved:
                await self._moved.wait_for(there)
        except TimeoutError:
            return False
        return True

    async def caught_up(self, timeout: timedelta) -> bool:
        """Wait until everything that the topic holds now was given to `on_record`; False after the timeout.

        Raises:
            TransientFailure: Kafka is away, so that nobody knows what the topic holds.
        """
        self._raise_bug()
        if self._task is None:
            raise TransientFailure("kafka", f"{self._topic}: not started")
        async with self._asking:
            ends = await self._ends(min(timeout, _CALL))
        return await self.passed({tp.partition: offset for tp, offset in ends.items()}, timeout)

    async def _ends(self, timeout: timedelta) -> dict[Any, int]:
        # By a client of its own, which reads nothing: a broker answers the requests of a connection one after
        # the other, and the reader's is waiting for records most of the time.
        partitions = [aiokafka.TopicPartition(self._topic, number) for number in sorted(self._next)]
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                if self._asker is None:
                    self._asker = self._client()
                    await self._asker.start()
                ends: dict[Any, int] = await self._asker.end_offsets(partitions)
        except (KafkaError, TimeoutError) as error:
            asker, self._asker = self._asker, None
            if asker is not None:
                await _stop(asker)
            raise TransientFailure("kafka", f"offsets of {self._topic}: {error!r}") from error
        return ends

    async def check(self) -> None:
        """Raise when the reader has died of a bug in `on_record`, or knows that it is behind."""
        self._raise_bug()
        if self._behind is not None:
            raise TransientFailure("kafka", f"{self._topic}: {self._behind}")

    async def join(self) -> None:
        """Wait for the reader's end: it ends only when it is closed, or raises the bug it died of."""
        if self._task is not None:
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()

    def _raise_bug(self) -> None:
        if self._task is None or not self._task.done():
            return
        if self._task.cancelled():
            raise TransientFailure("kafka", f"{self._topic}: the reader is stopped")
        self._task.result()

    async def _read(self) -> None:
        backoff = Backoff()
        try:
            while True:
                try:
                    self._consumer = self._consumer or await self._connect(_CALL)
                    await self._follow(self._consumer, backoff)
                except (KafkaError, TimeoutError, TransientFailure) as error:
                    self._behind = f"the reader waits for Kafka: {error!r}"
                    log.warning("topic reader reconnects", topic=self._topic, error=repr(error))
                    await self._disconnect()
                    await asyncio.sleep(backoff.next_delay().total_seconds())
        finally:
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
            fetched = await consumer.getmany(timeout_ms=int(_POLL.total_seconds() * 1000), max_records=1000)
            for tp, records in fetched.items():
                for raw in records:
                    self._apply(read_record(raw))
                    self._next[tp.partition] = raw.offset + 1
            await self._skip_gaps(consumer, partitions)
            self._behind = None
            backoff.reset()
            async with self._moved:
                self._moved.notify_all()

    def _apply(self, record: Record) -> None:
        try:
            self._on_record(record)
        except PoisonRecord as poison:
            log.warning(
                "poison record left out", record=str(record), reason=poison.reason, detail=poison.detail
            )

    async def _skip_gaps(self, consumer: AIOKafkaConsumer, partitions: list[Any]) -> None:
        # Offsets that compaction or markers took hold no record; the client's position passes them.
        async with asyncio.timeout(_CALL.total_seconds()):
            for tp in partitions:
                self._next[tp.partition] = max(self._next[tp.partition], await consumer.position(tp))

    def _partitions(self, consumer: AIOKafkaConsumer) -> list[Any]:
        numbers = consumer.partitions_for_topic(self._topic)
        if numbers is None:  # not in the client's metadata yet
            return sorted(consumer.assignment())
        return [aiokafka.TopicPartition(self._topic, number) for number in sorted(numbers)]

    async def _connect(self, timeout: timedelta) -> AIOKafkaConsumer:
        """Connect a client that has all partitions assigned, at no position yet."""
        consumer = self._client()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await consumer.start()
                numbers = await partitions_of_topic(consumer, self._topic)
        except (KafkaError, TimeoutError) as error:
            await _stop(consumer)
            raise TransientFailure("kafka", f"cannot read {self._topic}: {error!r}") from error
        except BaseException:
            await _stop(consumer)
            raise
        consumer.assign([aiokafka.TopicPartition(self._topic, number) for number in sorted(numbers)])
        return consumer

    def _client(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=int(self._metadata_max_age.total_seconds() * 1000),
            request_timeout_ms=int(_CALL.total_seconds() * 1000),
            **self._kafka.client_options(),
        )

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _stop(consumer)


async def partitions_of_topic(consumer: AIOKafkaConsumer, topic: str) -> Collection[int]:
    """Ask a broker for the partitions, for a while: a topic just created is not known to each yet.

    Raises:
        TransientFailure: there is no such topic.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + _TOPIC_SPREADS_WITHIN.total_seconds()
    while True:
        # The public calls tell the partitions of a topic only once it is subscribed or assigned.
        metadata = await consumer._client.fetch_all_metadata()
        numbers: Collection[int] | None = metadata.partitions_for_topic(topic)
        if numbers:
            return numbers
        if clock() > until:
            raise TransientFailure("kafka", f"no topic {topic}: create it")
        await asyncio.sleep(_ASK_AGAIN.total_seconds())


async def _stop(consumer: AIOKafkaConsumer) -> None:
    with contextlib.suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(_CALL.total_seconds()):
            await consumer.stop()

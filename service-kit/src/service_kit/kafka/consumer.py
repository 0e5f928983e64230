"""Records from Kafka in batches, for a consumer group, with positions that are never skipped over.

What decision 0001 says of consumers that lose records holds here, too. After every assignment no partition
is read before its position was sought again, and what was fetched across a rebalance is given back by that
seek, never just dropped. No lock is held while fetching, because the rebalance listener waits for the lock.
What is done is committed before partitions are revoked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
)

from service_kit.errors import LogLost, TransientFailure
from service_kit.kafka.claims import Claims
from service_kit.kafka.group_offsets import group_offsets
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.kafka.source import Batch, BeforeRevoke, Positions
from service_kit.kafka.topic_ids import TopicIdentity, identities_from
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)


class RecordSource:
    """An aiokafka consumer as a `Source`.

    Topics and group are full names: `kafka.topic(...)`, `kafka.group(...)`. Without `positions` the group's
    committed offsets say where to go on. With it the application says so on every assignment, and what is
    committed to Kafka serves lag dashboards only.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        group: str,
        *,
        positions: Positions | None = None,
        max_records: int = 500,
        session_timeout: timedelta = timedelta(seconds=10),
        rebalance_timeout: timedelta = timedelta(seconds=60),
        request_timeout: timedelta = timedelta(seconds=10),
        lag_interval: timedelta = timedelta(seconds=5),
    ) -> None:
        self._kafka = kafka
        self._topics = tuple(topics)
        self._group = group
        self._positions = positions
        self._max_records = max_records
        self._session_timeout = session_timeout
        self._rebalance_timeout = rebalance_timeout
        self._request_timeout = request_timeout
        self._lag_interval = lag_interval
        self._consumer: AIOKafkaConsumer | None = None
        self._generation = 0
        self._hold = asyncio.Lock()
        self._unplaced: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._claims = Claims()
        self._identities: Mapping[str, TopicIdentity] = {}
        self._log_lost: LogLost | None = None
        self._before_revoke: BeforeRevoke | None = None
        self._lag_task: asyncio.Task[None] | None = None

    @property
    def generation(self) -> int:
        """Count of assignments so far."""
        return self._generation

    @property
    def may_run_ahead(self) -> bool:
        """Whether a record may be handled before an earlier one of its partition."""
        return self._positions is None

    @property
    def done(self) -> Mapping[TopicPartition, int]:
        """What is done of the assigned partitions: no store of positions may say less."""
        return self._claims.done

    def before_revoke(self, callback: BeforeRevoke) -> None:
        """Call back when partitions are about to be taken away."""
        self._before_revoke = callback

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Keep the assignment as it is inside the block."""
        async with self._hold:
            yield

    async def fetch(self, timeout: timedelta) -> Sequence[Batch]:
        """Give what is there, or nothing after `timeout`; connects first when needed.

        Raises:
            TransientFailure: Kafka, or the keeper of the positions, is away; the next call starts over.
            LogLost: the log ends before what the keeper of the positions says was consumed, or begins after.
        """
        if self._log_lost is not None:
            raise self._log_lost
        try:
            consumer = await self._connected()
            await self._place(consumer)
            generation = self._generation
            fetched = await consumer.getmany(
                timeout_ms=int(timeout.total_seconds() * 1000), max_records=self._max_records
            )
        except NoOffsetForPartitionError:
            return []  # the group has committed nothing yet, and `_place` has sought what counts instead
        except (KafkaError, TimeoutError) as error:
            # Also an offset that the log does not have: whether it is lost is found out where it is sought.
            await self._close()
            raise TransientFailure("kafka", f"fetch for {self._group}: {error!r}") from error
        if generation != self._generation:
            return []  # fetched across a rebalance: `_place` seeks back before anything else is read
        return [
            Batch(partition, generation, self._read(partition, records))
            for partition, records in ((TopicPartition(*tp), records) for tp, records in fetched.items())
            if partition in self._next
        ]

    def _read(self, partition: TopicPartition, raws: Sequence[Any]) -> tuple[Record, ...]:
        if self._positions is None:
            # By Kafka's own committed positions, a log that begins anew is read anew.
            return tuple(map(read_record, raws))
        return self._claims.read(partition, raws, read_record)

    def pause(self, partition: TopicPartition) -> None:
        """Stop fetching a partition while staying its owner."""
        if self._consumer is not None and partition in self._consumer.assignment():
            self._consumer.pause(kafka_partition(partition))

    def resume(self, partition: TopicPartition) -> None:
        """Fetch a partition again, unless its position is still to be sought."""
        if (
            partition in self._next
            and self._consumer is not None
            and partition in self._consumer.assignment()
        ):
            self._consumer.resume(kafka_partition(partition))

    async def commit(self, positions: Sequence[Position]) -> None:
        """Commit the positions of partitions that are still ours.

        Raises:
            TransientFailure: Kafka is away; commit again later.
        """
        ours = {p.topic_partition: p.next_offset for p in positions if p.topic_partition in self._next}
        self._next.update(ours)
        self._claims.note_done([each for each in positions if each.topic_partition in ours])
        if not ours or self._consumer is None:
            return
        try:
            async with asyncio.timeout(self._request_timeout.total_seconds()):
                await self._consumer.commit({kafka_partition(tp): offset for tp, offset in ours.items()})
        except (CommitFailedError, IllegalStateError) as error:
            log.info("not committed, the partitions moved: they are read again", error=repr(error))
        except (KafkaError, TimeoutError) as error:
            raise TransientFailure("kafka", f"commit for {self._group}: {error!r}") from error

    def lag(self) -> Mapping[TopicPartition, int]:
        """Tell, for each assigned partition, the records between its position and its end as last asked."""
        return {tp: max(0, self._ends[tp] - offset) for tp, offset in self._next.items() if tp in self._ends}

    async def stop(self) -> None:
        """Leave the group and close."""
        await self._close()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = await self._open()
            self._lag_task = asyncio.create_task(self._watch_lag(self._consumer))
        return self._consumer

    async def _open(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            group_id=self._group,
            enable_auto_commit=False,
            # The keeper of the positions alone says where to go on: never elsewhere without a word.
            auto_offset_reset="earliest" if self._positions is None else "none",
            session_timeout_ms=_ms(self._session_timeout),
            heartbeat_interval_ms=_ms(self._session_timeout / 4),
            rebalance_timeout_ms=_ms(self._rebalance_timeout),
            request_timeout_ms=_ms(self._request_timeout),
            # Topics and partitions created after the start must be found without a restart.
            metadata_max_age_ms=30_000,
            **self._kafka.client_options(),
        )
        try:
            async with asyncio.timeout(self._request_timeout.total_seconds() * 2):
                await consumer.start()
                missing = set(self._topics) - await consumer.topics()
                self._identities = await identities_from(consumer._client, self._topics)
            if missing:
                raise TransientFailure("kafka", f"no topic {', '.join(sorted(missing))}: create it")
        except TimeoutError as error:
            await consumer.stop()
            raise TransientFailure("kafka", "no answer while connecting") from error
        except BaseException:
            await consumer.stop()
            raise
        consumer.subscribe(self._topics, listener=_Listener(self._revoked, self._assigned))
        return consumer

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        task, self._lag_task = self._lag_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._forget_assignment()
        if consumer is not None:
            try:
                async with asyncio.timeout(self._request_timeout.total_seconds()):
                    await consumer.stop()
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "the consumer could not leave its group in time",
                    dependency="kafka",
                    group=self._group,
                    error=repr(error),
                )

    async def _revoked(self) -> None:
        async with self._hold:
            try:
                if self._before_revoke is not None:
                    await self._before_revoke()
            finally:
                self._forget_assignment()

    def _assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._forget_assignment()
        self._unplaced = set(assigned)
        if self._consumer is not None:
            self._consumer.pause(*(kafka_partition(tp) for tp in assigned))

    def _forget_assignment(self) -> None:
        self._generation += 1
        self._next.clear()
        self._claims.clear()
        self._unplaced.clear()

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        async with self._hold:
            if not self._unplaced:
                return
            generation, partitions = self._generation, sorted(self._unplaced)
            async with asyncio.timeout(self._request_timeout.total_seconds() * 2):
                known = await (self._positions or self._committed)(partitions)
                first = await consumer.beginning_offsets([kafka_partition(tp) for tp in partitions])
                ends = await consumer.end_offsets([kafka_partition(tp) for tp in partitions])
            if generation != self._generation:
                return
            for tp in partitions:
                self._claims.begin(tp, known.get(tp))
                self._next[tp] = known.get(tp, first[kafka_partition(tp)])
                consumer.seek(kafka_partition(tp), self._next[tp])
            if self._positions is not None:
                self._claims.check_beginnings({tp: first[kafka_partition(tp)] for tp in known})
                self._claims.check_ends(known, {tp: ends[kafka_partition(tp)] for tp in known}, is_start=True)
            self._unplaced.clear()
            consumer.resume(*(kafka_partition(tp) for tp in partitions))
            log.info(
                "positions sought",
                group=self._group,
                positions={str(tp): self._next[tp] for tp in partitions},
            )

    async def _committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        found = await group_offsets(self._kafka, self._group)
        return {each: found[each] for each in partitions if each in found}

    async def _watch_lag(self, consumer: AIOKafkaConsumer) -> None:
        # Asked for rather than taken from fetch responses, so that a fetcher that hangs shows as lag.
        while True:
            partitions, done = list(self._next), self._claims.done
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(self._request_timeout.total_seconds()):
                    ends = await consumer.end_offsets([kafka_partition(tp) for tp in partitions])
                    found = await identities_from(consumer._client, self._topics)
                self._ends = {TopicPartition(*tp): end for tp, end in ends.items()}
                self._check_log(done, found)
            await asyncio.sleep(self._lag_interval.total_seconds())

    def _check_log(self, done: Mapping[TopicPartition, int], found: Mapping[str, TopicIdentity]) -> None:
        if self._positions is None:
            return
        try:
            # Of a topic made again and as long as it was, nothing but its id tells.
            if replaced := [name for name, each in found.items() if self._identities.get(name, each) != each]:
                raise LogLost(f"{', '.join(sorted(replaced))}: made again while it was read")
            self._claims.check_ends(done, self._ends)
        except LogLost as lost:
            # The next fetch raises it, in the task that everybody waits for.
            self._log_lost = lost


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(
        self, revoked: Callable[[], Awaitable[None]], assigned: Callable[[Collection[TopicPartition]], None]
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, _revoked: object) -> None:
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._assigned([TopicPartition(*tp) for tp in assigned])


def read_record(raw: Any, read_from: int | None = None) -> Record:
    """Make a `Record` of a message as aiokafka and Faust give it."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        key=raw.key,
        value=raw.value,
        headers=tuple((name, value or b"") for name, value in raw.headers or ()),
        timestamp=datetime.fromtimestamp(max(raw.timestamp, 0) / 1000, UTC),
        read_from=read_from,
    )


def kafka_partition(partition: TopicPartition) -> Any:
    """Name a partition as aiokafka does."""
    return aiokafka.TopicPartition(partition.topic, partition.partition)


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)

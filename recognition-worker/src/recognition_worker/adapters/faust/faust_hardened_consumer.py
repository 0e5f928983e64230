"""Faust's Kafka consumer, mended: no record is lost when workers join, leave or die.

Written against faust-streaming 0.15.3 (`faust/transport/consumer.py`, `faust/transport/drivers/aiokafka.py`)
and held to that version by a test, because it overrides internals. Each override names the defect that it
mends. The churn test proves the whole. Not for apps with tables, transactions, or `stream_wait_empty`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import timedelta
from time import monotonic
from typing import Any, cast
from weakref import WeakKeyDictionary

import faust
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import (
    AIOKafkaConsumerThread,
    Consumer,
    Transport,
)
from faust.types import TP, Message

from recognition_worker.adapters.faust.faust_quick_thread import FETCH_WAIT, QuickThread
from recognition_worker.adapters.faust.first_positions import AskGroup, find_first_positions
from recognition_worker.adapters.faust.tenure import Tenure, ended_tenure
from recognition_worker.errors import ConsumerBroken
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

FAUST_VERSION = "0.15.3"

_NOTHING_ADMITTED_WAIT = 0.02
# A record that waits for its dependency pauses its partition when so many after it are done: all of them come
# again when the partition changes hands.
_UNCOMMITTABLE_LIMIT = 128
# The broker gives a member `broker_rebalance_timeout` (60 s) to come back: finishing and committing must fit
# in.
_FINISH_LIMIT = timedelta(seconds=20)
_COMMIT_LIMIT = 10.0
# Faust gives a seek up after `broker_request_timeout` (90 s).
SEEK_LIMIT = timedelta(seconds=60)
_REFUSALS = (GroupAuthorizationFailedError, TopicAuthorizationFailedError)
_REFUSED_WAIT = 1.0

Admits = Callable[[str, Tenure], bool]
"""Tells whether more records of a topic may be taken now."""


class HardenedApp(faust.App):
    """A Faust app whose consumer is the hardened one.

    Faust keeps nothing on disk and reads no other topic.
    """

    def __init__(
        self,
        *args: Any,
        admits: Admits = lambda _topic, _tenure: True,
        ask_group: AskGroup,
        seek_limit: timedelta = SEEK_LIMIT,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.admits = admits
        self.ask_group = ask_group
        self.seek_limit = seek_limit

    @property
    def hardened(self) -> "HardenedConsumer":
        """Return the consumer."""
        return cast(HardenedConsumer, self.consumer)

    def _new_transport(self) -> Transport:
        return HardenedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Make no folders: they are for tables, and the container's file system is read-only."""


class _NeverRead(dict[TP, int | None]):
    """Stands for Faust's read offsets.

    Defect: Faust drops a record whose offset is below the last one read, and books the difference as a gap
    that may be committed over; both go wrong after a seek that happens while a batch is handed out. `Tenure`
    keeps that book here.
    """

    def __getitem__(self, key: TP) -> int | None:
        return None


class HardenedConsumer(Consumer):
    """Takes records per tenure (one assignment's time); commits only what the application finished in it."""

    app: HardenedApp

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NeverRead()
        self._positions = asyncio.Lock()
        self._closing = False
        self._revocations = 0
        self._confirmed: dict[TP, int] = {}
        self._finished_at = self._confirmed_at = monotonic()
        self._tenure_of: WeakKeyDictionary[Message, Tenure] = WeakKeyDictionary()
        self.tenure = ended_tenure()

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return QuickThread(self, loop=self.loop, beacon=self.beacon)

    # What the application calls.

    def tenure_of(self, message: Message) -> Tenure | None:
        """Return the tenure that a message was taken in, while it lasts; None when it is over."""
        tenure = self._tenure_of.get(message)
        return tenure if tenure is self.tenure and not tenure.ended.is_set() else None

    def finish(self, message: Message) -> None:
        """Note that a message is done for good; the only thing that lets an offset be committed."""
        self._finished_at = monotonic()
        if (tenure := self._tenure_of.get(message)) is not None:
            tenure.finish(message.topic, message.partition, message.offset)

    async def wind_up(self) -> None:
        """Take nothing more, wait for what is in hand, commit it. For the end of the process."""
        self._closing = True
        if self._thread._consumer is not None:
            await self._end_tenure()

    @property
    def commit_lateness(self) -> timedelta:
        """Return how long records have been finished without a commit that the broker confirmed."""
        return timedelta(seconds=max(0.0, self._finished_at - self._confirmed_at))

    def lag(self) -> dict[TP, int]:
        """Return, for each assigned partition whose end is known, how many records are not done."""
        found = {}
        for tp in self.assignment() if self._thread._consumer is not None else ():
            start = self.tenure.next_offset(*tp) or self._confirmed.get(tp)
            if start is not None and (end := self.highwater(tp)) is not None:
                found[tp] = max(end - start, 0)
        return found

    async def check_errors(self) -> None:
        """Look whether the membership of the group has failed, and let it go on; raise when it cannot.

        Defect: Faust never asks, and aiokafka waits with everything until somebody does. A refusal that ends
        (an access list is put right) and an unexpected answer so end the membership for good, unseen.

        Raises:
            ConsumerBroken: what keeps the membership has ended.
        """
        if self._thread._consumer is not None:
            await self._quick_thread.on_loop(self._quick_thread.check_coordinator())

    async def kafka_answers(self) -> bool:
        """Ask the cluster for its metadata."""
        return self._thread._consumer is not None and await self._quick_thread.on_loop(
            self._quick_thread.kafka_answers()
        )

    @property
    def _quick_thread(self) -> "QuickThread":
        return cast(QuickThread, self._thread)

    # Overrides, each with the defect that it mends.

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ARG002
        """Hand out the records of one fetch, for as long as the tenure that they were fetched in lasts.

        Defects: a batch that arrives while the flow is stopped is dropped, or cut off in the middle, and what
        brings it back (`perform_seek`) skips partitions that have no committed offset; a batch
        fetched before a rebalance can be handed out after it. All topics also share one queue's pressure, so
        that a backlog holds up everything: `HardenedApp.admits` limits each topic alone, before the fetch.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        admitted = self._admitted()
        if not admitted or self.should_stop:
            await self.sleep(_NOTHING_ADMITTED_WAIT)
            return
        async with self._positions:
            tenure = self.tenure
            if tenure.ended.is_set():
                return
            records = await self._fetched(admitted)
        for tp, record in self.scheduler.iterate(records):
            if tenure is not self.tenure or tenure.ended.is_set() or self.should_stop:
                return  # the seek that begins the next tenure reads them again
            message = self._to_message(tp, record)
            tenure.take(tp.topic, tp.partition, record.offset)
            self._tenure_of[message] = tenure
            yield tp, message

    async def _fetched(self, admitted: set[TP]) -> Any:
        try:
            return await self._getmany(active_partitions=admitted, timeout=FETCH_WAIT)
        except OffsetOutOfRangeError as error:
            raise ConsumerBroken(
                f"records expired before they were read, or the log lost its end ({error}); the next start "
                "says what is missing"
            ) from error
        except KafkaError as error:
            if type(error) is not KafkaError and not isinstance(error, _REFUSALS):
                raise
            # What befell the membership reaches who waits for records, too; `check_errors` looks after it.
            log.warning("no records for now", dependency="kafka", error=repr(error))
            await self.sleep(_REFUSED_WAIT)
            return {}

    def _admitted(self) -> set[TP]:
        active = self._get_active_partitions()
        topics = {topic for topic in {tp.topic for tp in active} if self.app.admits(topic, self.tenure)}
        limit = _UNCOMMITTABLE_LIMIT
        return {tp for tp in active if tp.topic in topics and self.tenure.uncommittable_count(*tp) < limit}

    async def perform_seek(self) -> None:
        """Go to the committed offsets, or to the beginning, and begin a new tenure there.

        Defects: partitions whose committed offset is None or 0 are left where an abandoned fetch moved them;
        a fetch under way moves the position after the seek (the lock lets it end first); a seek that takes
        longer than a request may is given up without a word, and nothing is ever read.
        """
        try:
            async with asyncio.timeout(self.app.seek_limit.total_seconds()), self._positions:
                await self._begin_tenure()
        except TimeoutError:
            await self.crash(
                ConsumerBroken(
                    f"Kafka did not tell the positions of the group within {self.app.seek_limit}: nothing "
                    "can be read. Look at the group's coordinator; the supervisor starts this worker again"
                )
            )

    async def _begin_tenure(self) -> None:
        """Seek every partition, commit where it was moved to, and only then begin.

        So a group that has ever decided something has a position for each of its partitions.
        """
        revocations = self._revocations
        sought = {ensure_TP(tp): offset for tp, offset in (await self.seek_to_committed()).items()}
        committed, starts = await find_first_positions(sought, self.app.ask_group, self)
        await self._quick_thread.go_to(starts)
        moved = {tp: offset for tp, offset in starts.items() if offset != committed[tp]}
        if revocations != self._revocations or not (not moved or await self._thread.commit(moved)):
            return  # revoked meanwhile: `resume_flow` will not resume, the next assignment seeks again
        self._confirmed = starts
        self._confirmed_at = monotonic()
        self.tenure = Tenure(committed)

    def resume_flow(self) -> None:
        """Resume only what holds partitions and is not about to stop.

        Defect: Faust resumes after its seek even when the partitions were revoked during the seek.
        """
        if not self._closing and not self.tenure.ended.is_set():
            super().resume_flow()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in hand and commit it before the partitions go.

        Defect: Faust clears the acknowledgements first, so that the commit finds nothing, and waits without
        limit.
        """
        await self._end_tenure()
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Stop; `wind_up` has committed before, while the app could still answer a rebalance."""
        if not self._closing:
            await self.wind_up()

    def ack(self, message: Message) -> bool:
        """Let go of a message, without booking it as done.

        Defect: a stream acknowledges the messages that it skips during a rebalance, and those of handlers
        that raised.
        """
        message.acked = True
        self._unacked_messages.discard(message)
        return False

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterable[TP]:  # type: ignore[override]
        held = (TP(*partition) for partition in self.tenure.partitions)
        return [tp for tp in held if topics is None or tp in topics or tp.topic in topics]

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit.

        Defects: `> 1` where it needs `>= 1` steps over one unfinished record; offsets 0 and None are mixed
        up; a gap (transaction markers, expired records) is either committed over or never passed.
        """
        return self.tenure.next_offset(tp.topic, tp.partition)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return offset > self._confirmed.get(tp, -1)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, and remember it only when it worked.

        Defect: Faust books a commit that the broker refused, and does not repeat it.
        """
        done = await super()._commit(offsets)
        if done:
            self._confirmed.update(offsets)
            self._confirmed_at = monotonic()
        return done

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing.

        Defect: it takes a record's timestamp for the time of a fetch. `ProgressWatchdog` does this work.
        """

    async def _end_tenure(self) -> None:
        tenure = self.tenure
        tenure.ended.set()
        self._revocations += 1
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        if not await tenure.idle(_FINISH_LIMIT):
            log.warning("work in hand is left for redelivery", limit_seconds=_FINISH_LIMIT.total_seconds())
        try:
            async with asyncio.timeout(_COMMIT_LIMIT):
                await self.maybe_wait_for_commit_to_finish()
                await self.commit()
        except TimeoutError:
            log.warning("no commit before the partitions went; finished records will come again")
        self.tenure = ended_tenure()


class HardenedTransport(Transport):
    """Makes the app's consumer a hardened one."""

    Consumer = HardenedConsumer

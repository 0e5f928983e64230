"""Runs record handlers on Faust: this folder is all that knows it.

A feed is a set of topics with one handler. Records are handled as they come, a bounded number concurrently,
and acknowledged one by one when their handler has returned, in any order; what is committed never passes
an unfinished one. A handler that raises DeliveryStopped leaves its record to the next owner; anything else
that it raises is a bug and ends the run, uncommitted. Faust decodes nothing, serves no web page, takes no
signals and configures no logging.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import faust
from faust.types import EventT, Message

from recognition_worker.adapters.faust.faust_hardened_consumer import SEEK_LIMIT, HardenedApp
from recognition_worker.adapters.faust.membership import Membership
from recognition_worker.adapters.faust.tenure import Tenure
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.group_offsets import group_offsets
from service_kit.kafka.records import Record
from service_kit.observing.health import StalledError
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

SESSION_TIMEOUT = 6.0  # seconds until another worker takes over after kill -9
HEARTBEAT_INTERVAL = 1.0
COMMIT_INTERVAL = 0.5
# A record may wait for a dependency for as long as an outage takes; heartbeats go on, and that must not cost
# the membership. In milliseconds it has to fit an int32.
MAX_POLL_INTERVAL = 2_000_000.0
COMMITS_LATE_LIMIT = timedelta(minutes=2)
OUT_OF_GROUP_LIMIT = timedelta(minutes=5)
WATCH_INTERVAL = 1.0
STOP_LIMIT = timedelta(seconds=15)

HandleRecord = Callable[[Record, asyncio.Event], Awaitable[None]]
"""Returns when the record is done; gives up with DeliveryStopped when the event is set while it waits."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Topics (full names) with their handler.

    at_once: records that are handled concurrently; each begins when it comes, none waits for others to come.
    taken_limit: records taken and not done, above which nothing more is fetched. No feed waits for another:
    what of several feeds needs the same thing, has its turns there.
    """

    name: str
    topics: tuple[str, ...]
    handle: HandleRecord
    at_once: int = 32
    taken_limit: int = 64


class FaustRunner:
    """One member of a consumer group, over any number of feeds.

    out_of_group_limit: how long without records, though Kafka answers, fails `check_membership`. seek_limit:
    how long Kafka may take to tell the positions; then the run ends.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        group: str,
        feeds: Sequence[Feed],
        *,
        out_of_group_limit: timedelta = OUT_OF_GROUP_LIMIT,
        seek_limit: timedelta = SEEK_LIMIT,
    ) -> None:
        self._feeds = {topic: feed for feed in feeds for topic in feed.topics}
        self._membership = Membership(out_of_group_limit)
        self._broken = asyncio.Event()
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._app = HardenedApp(
            group,
            admits=self._admits,
            ask_group=partial(group_offsets, kafka, group),
            seek_limit=seek_limit,
            **_options(kafka),
        )
        for feed in feeds:
            topic = self._app.topic(
                *feed.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
            )
            self._app.agent(topic, name=f"{feed.name}-agent")(self._agent(feed))

    @property
    def topics(self) -> tuple[str, ...]:
        """Name the topics that are consumed."""
        return tuple(self._feeds)

    def lag(self) -> int:
        """Count the records of the assigned partitions that are not done, as far as known."""
        return sum(self._app.hardened.lag().values()) if self._app.started else 0

    def lag_of(self, topic: str) -> int:
        """Count a topic's records of the assigned partitions that are not done, as far as known."""
        lags = self._app.hardened.lag() if self._app.started else {}
        return sum(lag for tp, lag in lags.items() if tp.topic == topic)

    async def check_commits(self) -> None:
        """Raise when records get finished but no commit has been confirmed for long; for liveness."""
        lateness = self._app.hardened.commit_lateness if self._app.started else timedelta(0)
        if lateness > COMMITS_LATE_LIMIT:
            raise StalledError(f"records are finished, but nothing was committed for {lateness}: restart")

    async def check(self) -> None:
        """Raise TransientFailure unless this worker is a member of its group; for readiness."""
        if (reason := self._why_no_member()) is not None:
            raise TransientFailure("kafka", reason)

    async def check_membership(self) -> None:
        """Raise when this worker has been out of its group for long though Kafka answers; for liveness."""
        await self._membership.check()

    def _why_no_member(self) -> str | None:
        if not self._app.started or self._app.rebalancing or not self._app.topics.acking_topics:
            return "not a member of the consumer group"
        if self._app.hardened.tenure.ended.is_set() and not self._app.unassigned:
            return "no partitions assigned"
        return None

    async def run(self, stopping: asyncio.Event) -> None:
        """Handle records until `stopping` is set; what is in hand finishes and is committed.

        Raises:
            Exception: a handler's bug, or Faust's; what was being worked on is not committed.
        """
        stop = asyncio.create_task(stopping.wait())
        broken = asyncio.create_task(self._broken.wait())
        watching = asyncio.create_task(self._watch())
        try:
            await self._app.start()
            crashed = asyncio.create_task(self._app.wait_until_stopped())
            ends = {stop, broken, crashed, watching}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            crashed.cancel()
        finally:
            stop.cancel()
            broken.cancel()
            watching.cancel()
            await self._stop()
        if (reason := self._failure or self._app.crash_reason) is not None:
            raise reason
        if watching.done() and not watching.cancelled():
            watching.result()

    async def _watch(self) -> None:
        """Look after the membership, which nobody else does while no records come; end with what ends it."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            consumer = self._app.hardened
            await consumer.check_errors()
            reason = self._why_no_member()
            self._membership.note(reason, kafka_answers=reason is None or await consumer.kafka_answers())

    async def _stop(self) -> None:
        if self._app.crash_reason is None:
            await self._app.hardened.wind_up()
        try:
            async with asyncio.timeout(STOP_LIMIT.total_seconds()):
                await self._app.stop()
        except TimeoutError:
            log.warning("the consumer did not stop in time", limit_seconds=STOP_LIMIT.total_seconds())
        for task in self._tasks:
            task.cancel()

    def _admits(self, topic: str, tenure: Tenure) -> bool:
        feed = self._feeds[topic]
        return sum(tenure.unfinished_count(name) for name in feed.topics) < feed.taken_limit

    def _agent(self, feed: Feed) -> Callable[[Any], Awaitable[None]]:
        async def agent(stream: Any) -> None:
            slots = asyncio.Semaphore(feed.at_once)
            # Not `take`: it waits for a full batch, or for its time to be up.
            events: AsyncIterator[EventT[Any]] = stream.noack().events()
            async for event in events:
                await slots.acquire()
                task = asyncio.create_task(self._work(feed, event.message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                task.add_done_callback(lambda _task: slots.release())

        return agent

    async def _work(self, feed: Feed, message: Message) -> None:
        consumer = self._app.hardened
        tenure = consumer.tenure_of(message)
        if tenure is None:
            return  # the next owner reads it again
        with tenure.working():
            await self._one(feed, message, tenure)

    async def _one(self, feed: Feed, message: Message, tenure: Tenure) -> None:
        try:
            await feed.handle(record_of(message), tenure.ended)
        except DeliveryStopped:
            log.info("record left to the next owner", topic=message.topic, offset=message.offset)
        except Exception as failure:  # noqa: BLE001 - a delivery loop: whatever it is, it ends the run
            if self._failure is None:
                self._failure = failure
            self._broken.set()
        else:
            self._app.hardened.finish(message)


def record_of(message: Message) -> Record:
    """Make a `Record` of a message as Faust gives it; a header without a value has an empty one."""
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple((name, value or b"") for name, value in pairs),
        timestamp=datetime.fromtimestamp(message.timestamp, UTC),
    )


def _options(kafka: KafkaSettings) -> dict[str, Any]:
    client = kafka.client_options()
    options: dict[str, Any] = {
        "broker": [f"kafka://{server.strip()}" for server in client["bootstrap_servers"].split(",")],
        "broker_session_timeout": SESSION_TIMEOUT,
        "broker_heartbeat_interval": HEARTBEAT_INTERVAL,
        "broker_client_id": "recognition-worker",
        "broker_commit_interval": COMMIT_INTERVAL,
        "broker_max_poll_interval": MAX_POLL_INTERVAL,
        "broker_max_poll_records": 64,
        # `HardenedConsumer` says where partitions begin; one that falls out of the log later ends the run.
        "consumer_auto_offset_reset": "none",
        "processing_guarantee": "at_least_once",
        "producer_acks": -1,
        "stream_wait_empty": False,  # `HardenedConsumer.wind_up` does it, with a limit
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "autodiscover": False,
    }
    if (credentials := _credentials(client)) is not None:
        options["broker_credentials"] = credentials
    return options


def _credentials(client: Mapping[str, Any]) -> Any:
    context = client.get("ssl_context")
    if "sasl_mechanism" in client:
        return faust.SASLCredentials(
            mechanism=client["sasl_mechanism"],
            username=client["sasl_plain_username"],
            password=client["sasl_plain_password"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None

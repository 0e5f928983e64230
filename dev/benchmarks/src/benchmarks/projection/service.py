"""What benchmarks of the projector run: its processes, topics and tables of their own, and facts into them.

Facts go through a real Kafka to the real service. `Plant` counts what it sent and `consumed` what the tables
hold of it: the service is even when they are equal.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaError, Message, Producer

from attendance_projector.store.migrate import migrate
from attendance_schemas.apply import all_topics, apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY, MATCHES, Topic
from local_stack.environment import StackEnv, with_login_of
from local_stack.for_tests.databases import Database

PROJECTOR = (sys.executable, "-m", "attendance_projector")
# Records that wait for the broker: bounds the memory of whoever sends millions.
WAITING_FOR_THE_BROKER = 100_000
FLUSH_SECONDS = 600.0


class NotDelivered(Exception):
    """Facts that the broker did not take; the benchmark says nothing then."""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Plant:
    """Topics with a prefix of their own, and facts to put into them; one thread at a time."""

    def __init__(self, stack: StackEnv, prefix: str, codec: Codec) -> None:
        self._prefix = prefix
        self._codec = codec
        self._failures: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": stack.kafka_bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 50,
                "queue.buffering.max.messages": WAITING_FOR_THE_BROKER,
                # What is sent is counted by offsets: a retry must not make two records of one.
                "enable.idempotence": True,
            }
        )
        self.sent = 0

    def send(self, event: Any, topic: Topic) -> None:
        """Hand an event over; wait while too many wait for the broker."""
        value, key = self.value_of(event, topic), topic.key_of(event)
        while True:
            try:
                self._producer.produce(self._prefix + topic.name, value, key, on_delivery=self._heard)
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)
        self.sent += 1

    def value_of(self, event: Any, topic: Topic) -> bytes:
        """Return an event as it lies in Kafka."""
        return self._codec.encode(event, topic)

    def flush(self) -> None:
        """Return when the broker has all of them. Raises NotDelivered."""
        if left := self._producer.flush(FLUSH_SECONDS):
            raise NotDelivered(f"{left} records still wait for the broker after {FLUSH_SECONDS:.0f} s")
        if self._failures:
            raise NotDelivered(f"{len(self._failures)} records were not taken: {self._failures[0]}")

    def publish(self, events: Iterable[Event], topic: Topic) -> None:
        """Send events, and return when the broker has them. Raises NotDelivered."""
        for event in events:
            self.send(event, topic)
        self.flush()

    def _heard(self, error: KafkaError | None, _record: Message) -> None:
        if error is not None:
            self._failures.append(str(error))


def patience(events: int) -> float:
    """Return seconds after which a wait for so many events is a failure."""
    return 300.0 + events / 200


async def consumed(connection: asyncpg.Connection) -> int:
    """Count the records that the live tables have consumed."""
    return int(
        await connection.fetchval(
            "SELECT coalesce(sum(next_offset), 0) FROM attendance.consumed_position"
            # The live service ticks by itself.
            " WHERE topic NOT LIKE '%clock'"
        )
    )


def peak_mb(pid: int) -> int:
    """Return the most memory that a process ever held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def is_running(pid: int) -> bool:
    """Say whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Topics and tables that are ready, a plant, and the settings of services for them."""

    plant: Plant
    environ: dict[str, str]


@asynccontextmanager
async def prepared(stack: StackEnv, database: Database) -> AsyncIterator[Prepared]:
    """Make the tables, those of the baselines and topics; the topics are deleted at the end."""
    prefix = f"b{os.getpid()}."
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": prefix,
        **database.environ(),
        "ATTENDANCE_PROJECTOR_PORT": "0",
        "ATTENDANCE_PROJECTOR_LOG_LEVEL": "WARNING",
    }
    await migrate(database.url)
    await migrate(database.url, schema="baseline")
    await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=prefix, single_broker=True)
    try:
        async with SchemaRegistry(stack.schema_registry_url) as registry:
            codec = Codec(registry, prefix=prefix)
            await codec.prepare([DIRECTORY, MATCHES])
            yield Prepared(Plant(stack, prefix, codec), environ)
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
        await admin.start()
        await admin.delete_topics([prefix + topic.name for topic in all_topics()])
        await admin.close()


@asynccontextmanager
async def live_services(
    environ: dict[str, str], count: int, *, feed_apart: bool = False
) -> AsyncIterator[list[int]]:
    """Run projectors that share the partitions; `feed_apart`: a process of its own tells what changes."""
    commands = ["run"] * count
    if feed_apart:
        environ = {**environ, "ATTENDANCE_PROJECTOR_FEED_CHANGES": "false"}
        commands.append("feed")
    processes = [
        await asyncio.create_subprocess_exec(*PROJECTOR, command, env=with_login_of(environ, command))
        for command in commands
    ]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            # One that has ended by itself is not there to be told.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            await process.wait()


async def until_even(
    connection: asyncpg.Connection, plant: Plant, pids: Iterable[int], seconds: float, poll: float = 0.2
) -> None:
    """Wait until the live tables hold what was sent. Raises TimeoutError, NotDelivered."""
    ends, pids = time.monotonic() + seconds, list(pids)
    while (found := await consumed(connection)) != plant.sent:
        if found > plant.sent:
            raise NotDelivered(f"{found} records consumed, only {plant.sent} sent")
        if gone := [pid for pid in pids if not is_running(pid)]:
            raise NotDelivered(f"live services {gone} have ended; their last lines are above")
        if time.monotonic() > ends:
            raise TimeoutError(f"after {seconds:.0f} s {found} of {plant.sent} records are consumed")
        await asyncio.sleep(poll)

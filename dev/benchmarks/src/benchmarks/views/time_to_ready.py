"""How long until a view of a large topic is ready, how much memory it takes, and for how long others wait.

`python -m benchmarks.views.time_to_ready [--count N]`. A directory of so many people lies on a topic. Each in
a process of its own, one after the other: Kafka's plain client, which counts the records and keeps nothing
(the baseline); a view that keeps their bytes; and the directory of ingest, which decodes them. A task that
sleeps for 5 ms at a time tells for how long the loop stood still. Exit code 1 unless every view has all
records and no pause of theirs was 50 ms.
"""

import argparse
import asyncio
import dataclasses
import json
import resource
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiokafka
import uvloop
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import Authority, PersonRecorded
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY
from benchmarks.projection.service import Plant, say
from ingest.adapters.kafka_directory import KafkaDirectory
from ingest.adapters.kafka_event_publisher import KafkaEventPublisher
from ingest.metrics import IngestMetrics
from local_stack.environment import StackEnv
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import Record
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import CompactedView
from service_kit.views.spread_dict import SpreadDict

COUNT = 2_000_000
TICK_SECONDS = 0.005
GOAL_SECONDS = 0.05
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HR = Authority(subject="hr-1", role="hr")
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Found:
    """What one process measured."""

    seconds: float
    records: int
    peak_mib: float
    grown_mib: float
    longest_pause: float

    def __str__(self) -> str:
        rate = self.records / self.seconds
        return (
            f"seconds={self.seconds:.1f} records={self.records} records_per_second={rate:.0f} "
            f"peak_mib={self.peak_mib:.0f} bytes_per_record={self.grown_mib * MEBIBYTE / self.records:.0f} "
            f"longest_pause_ms={self.longest_pause * 1000:.0f}"
        )


def person(number: int) -> PersonRecorded:
    """Return the record of one of many people."""
    return PersonRecorded(
        event_id=UUID(int=secrets.randbits(128), version=4),
        occurred_at=NOW,
        recorded_at=NOW,
        org_id=f"org-{number // 100_000}",
        person_id=f"p-{number:07}",
        home_site_id=f"site-{number % 50}",
        display_name=f"Somebody of the Name {number}",
        badge=f"{number:08}",
        default_shift_id="day",
        authority=HR,
    )


async def plain_client(kafka: KafkaSettings, _registry_url: str) -> Found:
    """Read all with Kafka's client and keep nothing."""
    topic = aiokafka.TopicPartition(kafka.topic(DIRECTORY.name), 0)

    async def read() -> int:
        consumer, records = AIOKafkaConsumer(auto_offset_reset="earliest", **kafka.client_options()), 0
        await consumer.start()
        consumer.assign([topic])
        end = (await consumer.end_offsets([topic]))[topic]
        while await consumer.position(topic) < end:
            records += sum(map(len, (await consumer.getmany(timeout_ms=500, max_records=1000)).values()))
        await consumer.stop()
        return records

    return await measured(read)


async def view_of_bytes(kafka: KafkaSettings, _registry_url: str) -> Found:
    """Keep the bytes of all."""
    kept: SpreadDict[bytes | None, bytes | None] = SpreadDict()

    def keep(record: Record) -> None:
        kept[record.key] = record.value

    async def read() -> int:
        async with CompactedView(kafka, kafka.topic(DIRECTORY.name), keep):
            return len(kept)

    return await measured(read)


async def directory(kafka: KafkaSettings, registry_url: str) -> Found:
    """Read the directory as ingest does at its start."""
    async with SchemaRegistry(registry_url) as registry:
        codec = Codec(registry, prefix=kafka.topic_prefix)
        await codec.prepare([DIRECTORY])
        publisher = KafkaEventPublisher(RecordProducer(kafka), codec, kafka)
        metrics = IngestMetrics(CollectorRegistry())
        found = KafkaDirectory(kafka, codec, publisher, metrics, timeout=timedelta(seconds=5))

        async def read() -> int:
            await found.start()
            return len(found.view.records)

        result = await measured(read)
        await found.stop()
        return result


KINDS: dict[str, Callable[[KafkaSettings, str], Awaitable[Found]]] = {
    "plain-client": plain_client,
    "view-of-bytes": view_of_bytes,
    "directory": directory,
}


async def measured(work: Callable[[], Awaitable[int]]) -> Found:
    """Do the work, which returns how many records, beside a task that tells for how long it had to wait."""
    before, began, longest = _peak_mib(), time.perf_counter(), 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            asleep_at = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            longest = max(longest, time.perf_counter() - asleep_at - TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    records = await work()
    seconds = time.perf_counter() - began
    ticking.cancel()
    return Found(seconds, records, _peak_mib(), _peak_mib() - before, longest)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def in_a_process_of_its_own(kind: str, kafka: KafkaSettings, registry_url: str) -> Found:
    """Measure one kind."""
    inside = json.dumps([kind, kafka.bootstrap_servers, kafka.topic_prefix, registry_url])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.views.time_to_ready",
        "--inside",
        inside,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{kind} ended with exit code {process.returncode}")
    return Found(**json.loads(said.splitlines()[-1]))


async def inside(kind: str, servers: str, prefix: str, registry_url: str) -> None:
    """Measure one kind here, and print what was found as the last line."""
    kafka = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix)
    say(json.dumps(dataclasses.asdict(await KINDS[kind](kafka, registry_url))))


async def measure(stack: StackEnv, count: int) -> bool:
    """Fill a topic, let each kind read it, and say whether the goal of the pauses is met."""
    prefix = f"bench-{secrets.token_hex(3)}."
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=prefix,
        partitions=1,
        single_broker=True,
    )
    try:
        async with SchemaRegistry(stack.schema_registry_url) as registry:
            codec = Codec(registry, prefix=prefix)
            await codec.prepare([DIRECTORY])
            plant = Plant(stack, prefix, codec)
            await asyncio.to_thread(plant.publish, map(person, range(count)), DIRECTORY)
        say(f"views records={count}")
        found = {}
        for kind in KINDS:
            found[kind] = await in_a_process_of_its_own(kind, kafka, stack.schema_registry_url)
            share = found["plain-client"].seconds / found[kind].seconds
            say(f"views {kind} {found[kind]} of_the_plain_client={share:.2f}")
    finally:
        admin = AIOKafkaAdminClient(**kafka.client_options())
        await admin.start()
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
        await admin.close()
    is_well = all(each.records == count for each in found.values())
    longest = max(found[kind].longest_pause for kind in ("view-of-bytes", "directory"))
    is_well = is_well and longest < GOAL_SECONDS
    ending = "ok" if is_well else "FAILED"
    say(f"views {ending} goal_ms={GOAL_SECONDS * 1000:.0f} longest_ms={longest * 1000:.0f}")
    return is_well


def main() -> int:
    """Measure on a stack of its own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="records on the topic")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        uvloop.run(inside(*json.loads(options.inside)))
        return 0
    stack = Stack(stack_folder(name="benchmark"), cache_folder())
    with leased(stack, keep=False):
        return 0 if asyncio.run(measure(stack.env, options.count)) else 1


if __name__ == "__main__":
    sys.exit(main())

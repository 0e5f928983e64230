"""How long `attendance-ops reconcile` takes, and how much memory, on so many captures.

`python -m benchmarks.operations.reconcile [--count N]`. Each capture has its acceptance and an image in the
object store, a record on its topic, a decision, and a row. Two looks, each a process of its own: everything
agrees; and the topic of captures is empty, as after a loss, so that every acceptance is read. Exit code 1
unless the first finds nothing and the second everything.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uuid_utils
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition as KafkaPartition
from pydantic import SecretStr

from attendance_projector.store.migrate import migrate
from attendance_schemas.acceptance import accepted_key, encode_accepted
from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import CaptureReceived, Event, MatchDecided
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, MATCHES, TOPICS, Topic
from benchmarks.projection.service import say
from local_stack.environment import StackEnv
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from local_stack.for_tests.databases import create_database, drop_database
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings, ObjectStoreSettings
from service_kit.side_by_side import side_by_side
from service_kit.state.object_store import ObjectStore

COUNT = 20_000
BATCH = 500
AT_ONCE = 32
DEVICES = 50
SAMPLE_SECONDS = 0.2
GOLDEN: dict[str, Any] = {name: event for name, event, _ in golden_examples()}
COLUMNS = (
    *("org_id", "capture_id", "occurred_at", "device_id", "site_id", "device_sequence", "time_trust"),
    *("outcome", "model_name", "model_version", "decision_round", "image_bucket", "image_key"),
    *("image_sha256", "received_at", "decided_at"),
)


def captures(count: int) -> Iterator[CaptureReceived]:
    """Yield captures of some devices, as ingest makes them."""
    now = datetime.now(UTC)
    for number in range(count):
        identity = UUID(str(uuid_utils.uuid7()))
        event = msgspec.structs.replace(
            GOLDEN["CaptureReceived/live"],
            event_id=UUID(int=secrets.randbits(128), version=4),
            capture_id=identity,
            occurred_at=now,
            recorded_at=now,
            device_id=f"gate-{number % DEVICES}",
            device_sequence=number // DEVICES + 1,
        )
        image = msgspec.structs.replace(event.image, key=f"captures/acme/{now:%Y/%m/%d}/{identity}")
        yield msgspec.structs.replace(event, image=image)


def decided(event: CaptureReceived) -> MatchDecided:
    """Return what recognition decides."""
    match: MatchDecided = msgspec.structs.replace(
        GOLDEN["MatchDecided/identified"], event_id=event.event_id, capture_id=event.capture_id
    )
    return match


async def store_all(events: Sequence[CaptureReceived], objects: ObjectStore, bucket: str) -> None:
    """Store acceptances and images; these are small, since no look reads one."""

    async def store(event: CaptureReceived) -> None:
        key = accepted_key(event.org_id, event.capture_id)
        await objects.put(bucket, key, encode_accepted(event), "application/json")
        await objects.put(bucket, event.image.key, b"jpeg", "image/jpeg")

    await side_by_side(store, events, at_once=AT_ONCE)


async def publish_all(events: Sequence[Event], topic: Topic, kafka: KafkaSettings, codec: Codec) -> None:
    """Publish events."""
    async with RecordProducer(kafka) as producer:
        name = kafka.topic(topic.name)
        for start in range(0, len(events), BATCH):
            part = events[start : start + BATCH]
            await producer.send_all(
                [OutgoingRecord(name, topic.key_of(each), codec.encode(each, topic)) for each in part]
            )


async def have_read_all(kafka: KafkaSettings) -> None:
    """Let the groups of the services stand at the ends of these topics."""
    partitions = await partitions_of(kafka, kafka.topic(CAPTURES.name), kafka.topic(MATCHES.name))
    ends = {KafkaPartition(*each): end for each, (_, end) in (await bounds_of(kafka, partitions)).items()}
    for group in ("recognition-worker", "attendance-projector"):
        consumer = AIOKafkaConsumer(group_id=kafka.group(group), **kafka.client_options())
        await consumer.start()
        consumer.assign(list(ends))
        await consumer.commit(ends)
        await consumer.stop()


async def fill(url: str, events: Sequence[CaptureReceived]) -> None:
    """Make the read model, and a row for each capture."""
    await migrate(url)
    connection = await asyncpg.connect(url, server_settings={"search_path": "attendance"})
    try:
        await connection.execute("SELECT ensure_partitions('capture', ARRAY[current_date])")
        await connection.copy_records_to_table("capture", columns=COLUMNS, records=map(row_of, events))
        await connection.execute("ANALYZE capture")
    finally:
        await connection.close()


def row_of(event: CaptureReceived) -> tuple[object, ...]:
    """Return the columns of a row."""
    image, at = event.image, event.recorded_at
    return (
        *(event.org_id, event.capture_id, event.occurred_at, event.device_id, event.site_id),
        *(
            event.device_sequence,
            "SYNCED",
            "UNKNOWN",
            "sface",
            "1",
            0,
            image.bucket,
            image.key,
            image.sha256,
            at,
            at,
        ),
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What a run took, and what it printed."""

    seconds: float
    peak_mib: float
    answer: dict[str, Any]


async def look(environ: dict[str, str]) -> Looked:
    """Run the command."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attendance_ops", "reconcile", "--from", "1h", "--grace", "0s", "--json"),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    ended, peak = asyncio.create_task(process.communicate()), 0.0
    while not (await asyncio.wait([ended], timeout=SAMPLE_SECONDS))[0]:
        peak = max(peak, peak_mib(process.pid))
    return Looked(time.monotonic() - began, peak, json.loads(ended.result()[0]))


def peak_mib(pid: int) -> float:
    """Return the peak of a process since its exec; getrusage counts its parent's before that, too."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line), 0.0)


async def measure(env: StackEnv, count: int) -> bool:
    """Fill the places, and look twice."""
    run = secrets.token_hex(3)
    bucket, database = f"bench-{run}", await create_database(env)
    create_bucket(env, bucket)
    events = list(captures(count))
    objects = ObjectStore(
        ObjectStoreSettings(
            endpoint=env.object_store_endpoint,
            access_key=env.object_store_access_key,
            secret_key=SecretStr(env.object_store_secret_key),
            bucket=bucket,
        ),
        threads=AT_ONCE,
        timeout=timedelta(minutes=1),
    )
    try:
        began = time.monotonic()
        await store_all(events, objects, bucket)
        say(f"stored {2 * count} objects in {time.monotonic() - began:.0f} s")
        await fill(database.url, events)
        results = []
        for prefix, published in ((f"b{run}-full.", events), (f"b{run}-lost.", [])):
            environ = {
                **env.environ(),
                "KAFKA_TOPIC_PREFIX": prefix,
                "OBJECT_STORE_BUCKET": bucket,
                "OPS_DATABASE_URL": database.query_url,
            }
            async with prepared(env, prefix) as (kafka, codec):
                await publish_all(published, CAPTURES, kafka, codec)
                await publish_all([decided(each) for each in published], MATCHES, kafka, codec)
                await have_read_all(kafka)
            results.append(await look(environ))
    finally:
        await objects.close()
        await drop_database(env, database.name)
        remove_bucket(env, bucket)
    return told(results, count)


@asynccontextmanager
async def prepared(env: StackEnv, prefix: str) -> AsyncIterator[tuple[KafkaSettings, Codec]]:
    """Make topics, and give what publishes to them."""
    await apply(
        env.kafka_bootstrap_servers, env.schema_registry_url, prefix=prefix, single_broker=True, partitions=6
    )
    kafka = KafkaSettings(bootstrap_servers=env.kafka_bootstrap_servers, topic_prefix=prefix)
    async with SchemaRegistry(env.schema_registry_url) as registry:
        codec = Codec(registry, prefix=prefix)
        await codec.prepare(TOPICS.values())
        yield kafka, codec


def told(results: Sequence[Looked], count: int) -> bool:
    """Print both looks; tell whether they found what there was."""
    found = []
    for name, each in zip(("everything agrees", "every event is lost"), results, strict=True):
        findings = {kind["kind"]: kind["count"] for kind in each.answer["findings"]}
        found.append(findings)
        rate, size = count / each.answer["seconds"], each.answer["ledger_bytes"] / count
        say(
            f"{name}: seconds={each.seconds:.1f} captures_per_second={rate:.0f} peak_mib={each.peak_mib:.0f} "
            f"ledger_bytes_per_capture={size:.0f} findings={findings}"
        )
    return found == [{}, {"missing-event": count}]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="captures")
    count = parser.parse_args().count
    stack = Stack(stack_folder(name="benchmark"), cache_folder())
    with leased(stack, keep=False):
        sys.exit(0 if asyncio.run(measure(stack.env, count)) else 1)


if __name__ == "__main__":
    main()

"""How long `attendance-ops` takes to plan, publish and verify a replay of many records.

`python -m benchmarks.replay.speed [--count N]`. A topic holds so many decisions. The command plans all of
them, plans those of one device, and publishes and verifies all, each in a process of its own as an operator
would. The baseline, in the same run: one loop over the same records that hands each to aiokafka's idempotent
producer and flushes at the end. Exit code 1 unless everything balances, a plan takes less than 30 s for a
million records, and publishing is at least half as fast as the loop.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES
from benchmarks.projection.service import Plant, say
from local_stack.environment import StackEnv
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from service_kit.kafka.bounded_reading import bounds_of, partitions_of, records_until
from service_kit.kafka.records import Record
from service_kit.settings import KafkaSettings

COUNT = 1_000_000
PARTITIONS = 12
DEVICES = 100
PLAN_GOAL_SECONDS, SHARE_GOAL = 30.0, 0.5
UNBOUNDED = "1e9"


def decisions(count: int) -> Iterator[Event]:
    """Yield decisions on different captures of some devices."""
    (golden,) = (event for name, event, _ in golden_examples() if name == "MatchDecided/identified")
    for number in range(count):
        identity = UUID(int=secrets.randbits(128), version=4)
        yield msgspec.structs.replace(
            golden, event_id=identity, capture_id=identity, device_id=f"gate-{number % DEVICES}"
        )


async def command(environ: dict[str, str], *arguments: object) -> tuple[float, str]:
    """Run `attendance-ops` and return its seconds and its output. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attendance_ops", *map(str, arguments)),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"attendance-ops {arguments[0]} {arguments[1]} ended with {process.returncode}")
    return time.perf_counter() - began, out.decode()


async def bare_loop(kafka: KafkaSettings, topic: str) -> float:
    """Publish what the topic of decisions holds to another one; return the seconds of the loop alone."""
    records: list[Record] = []
    partitions = await partitions_of(kafka, kafka.topic(MATCHES.name))
    ends = {each: end for each, (_, end) in (await bounds_of(kafka, partitions)).items()}
    async with aclosing(records_until(kafka, {}, ends)) as chunks:
        async for chunk in chunks:
            records += chunk.records
    producer = AIOKafkaProducer(enable_idempotence=True, **kafka.client_options())
    await producer.start()
    began = time.perf_counter()
    for record in records:
        await producer.send(topic, key=record.key, value=record.value, headers=list(record.headers))
    await producer.flush()
    seconds = time.perf_counter() - began
    await producer.stop()
    return seconds


async def measure(stack: StackEnv, count: int, folder: Path) -> bool:
    """Fill a topic, replay it, and say whether the goals are met."""
    prefix = f"bench-{secrets.token_hex(3)}."
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)
    environ = {**os.environ, **stack.environ(), "KAFKA_TOPIC_PREFIX": prefix, "OPS_OPERATOR": "first"}
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=prefix,
        partitions=PARTITIONS,
        single_broker=True,
    )
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        async with SchemaRegistry(stack.schema_registry_url) as registry:
            codec = Codec(registry, prefix=prefix)
            await codec.prepare([MATCHES])
            plant = Plant(stack, prefix, codec)
            await asyncio.to_thread(plant.publish, decisions(count), MATCHES)
        bare = f"{prefix}bare"
        await admin.create_topics([NewTopic(bare, PARTITIONS, 1)])
        file, one = folder / "all.json", folder / "one.json"
        plan_seconds, _ = await command(environ, "replay", "plan", "matches", "--out", file)
        where = ("--where", "device=gate-7")
        filtered_seconds, _ = await command(environ, "replay", "plan", "matches", *where, "--out", one)
        plan = json.loads(file.read_text())
        found = json.loads(one.read_text())["count"]
        await command(environ | {"OPS_OPERATOR": "second"}, "replay", "approve", file, "--yes")
        bare_seconds = await bare_loop(kafka, bare)
        run_seconds, _ = await command(environ, "replay", "run", file, "--yes", "--rate", UNBOUNDED)
        verify_seconds, told = await command(environ, "replay", "verify", plan["plan_id"], "--json")
    finally:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
        await admin.close()
    balance, share = json.loads(told), bare_seconds / run_seconds
    is_well = (
        balance["balances"]
        and balance["published"] == plan["count"] == count
        and found == len(range(7, count, DEVICES))
        and plan_seconds * COUNT / count < PLAN_GOAL_SECONDS
        and share >= SHARE_GOAL
    )
    say(
        f"replay {'ok' if is_well else 'FAILED'} records={count} plan_s={plan_seconds:.1f} "
        f"plan_of_a_device_s={filtered_seconds:.1f} run_s={run_seconds:.1f} bare_loop_s={bare_seconds:.1f} "
        f"of_the_bare_loop={share:.2f} verify_s={verify_seconds:.1f} published={balance['published']} "
        f"twice={balance['twice']}"
    )
    return is_well


def main() -> int:
    """Measure on a stack of its own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="records that are replayed")
    options = parser.parse_args()
    stack = Stack(stack_folder(name="benchmark"), cache_folder())
    with leased(stack, keep=False), TemporaryDirectory() as folder:
        return 0 if asyncio.run(measure(stack.env, options.count, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The command itself, as an operator types it, on a real Kafka and registry."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES, TOPICS, Topic
from local_stack.environment import StackEnv
from service_kit.dead_letters.letters import Origin, dead_letter_headers
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import Headers, OutgoingRecord, Position, Record
from service_kit.settings import KafkaSettings

GOLDEN = {name: event for name, event, _ in golden_examples()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Installation:
    """Topics of its own, and how to write into them."""

    kafka: KafkaSettings
    environ: dict[str, str]
    codec: Codec
    producer: RecordProducer

    def as_operator(self, name: str) -> Installation:
        return replace(self, environ=self.environ | {"OPS_OPERATOR": name})

    async def start(self, *arguments: object) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "attendance_ops",
            *map(str, arguments),
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def ops(self, *arguments: object) -> Answer:
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Answer(process.returncode, out.decode(), err.decode())

    async def done(self, *arguments: object) -> Answer:
        answer = await self.ops(*arguments)
        assert answer.code == 0, (answer.out, answer.err)
        return answer

    def encoded(self, event: Event, topic: Topic, headers: Headers = ()) -> OutgoingRecord:
        name = self.kafka.topic(topic.name)
        return OutgoingRecord(name, topic.key_of(event), self.codec.encode(event, topic), headers)

    async def publish_matches(self, count: int, headers: Headers = ()) -> list[Position]:
        """Publish decisions on different captures of four devices."""
        golden = GOLDEN["MatchDecided/identified"]
        events = [
            msgspec.structs.replace(
                golden, event_id=uuid4(), capture_id=uuid4(), device_id=f"gate-{number % 4}"
            )
            for number in range(count)
        ]
        return await self.publish(MATCHES, events, headers)

    async def publish(self, topic: Topic, events: Sequence[Event], headers: Headers = ()) -> list[Position]:
        return await self.producer.send_all([self.encoded(event, topic, headers) for event in events])

    async def bury(
        self, record: OutgoingRecord, reason: str = "image-missing", error: str = "no object", offset: int = 0
    ) -> str:
        """Write a dead letter of a record, and return its place as the command names it."""
        topic = record.topic.removeprefix(self.kafka.topic_prefix)
        origin = Origin(reason, error, 1, record.topic, 0, offset, "service", "1.0", datetime.now(UTC))
        letter = replace(
            record, topic=f"{record.topic}.dlq", headers=(*record.headers, *dead_letter_headers(origin))
        )
        position = await self.producer.send(letter)
        return f"{topic}.dlq:{position.partition}:{position.next_offset - 1}"

    async def records(self, topic: str) -> list[Record]:
        return [record async for record in records_of(self.kafka, self.kafka.topic(topic))]


@pytest.fixture
def archived(installation: Installation, bucket: str) -> Installation:
    """The installation whose topics are archived in a bucket."""
    return replace(installation, environ=installation.environ | {"ARCHIVE_BUCKET": bucket})


@pytest.fixture
async def installation(stack: StackEnv, topic_prefix: str) -> AsyncIterator[Installation]:
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=topic_prefix,
        single_broker=True,
        partitions=3,
    )
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "ARCHIVE_"))}
    environ = {
        **ours,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "OPS_OPERATOR": "meera on ops-1",
    }
    async with (
        SchemaRegistry(stack.schema_registry_url) as registry,
        RecordProducer(kafka, max_request_bytes=2**21) as producer,
    ):
        codec = Codec(registry, prefix=topic_prefix)
        await codec.prepare(TOPICS.values())
        yield Installation(kafka, environ, codec, producer)

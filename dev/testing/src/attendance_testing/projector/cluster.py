"""The topics of one test in real Kafka, and projector processes over them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CORRECTIONS, DIRECTORY, MATCHES
from local_stack.environment import StackEnv, with_login_of
from local_stack.for_tests.databases import Database
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import Headers, OutgoingRecord
from service_kit.settings import KafkaSettings

PARTITIONS = 2


class Cluster:
    """Topics of one test, and a projector process over them."""

    def __init__(self, environ: dict[str, str], prefix: str, codec: Codec, producer: RecordProducer) -> None:
        self.environ = environ
        self.prefix = prefix
        self._codec = codec
        self._producer = producer
        self._processes: list[asyncio.subprocess.Process] = []

    async def publish(self, event: Any, topic: Any, headers: Headers = ()) -> None:
        value = self._codec.encode(event, topic)
        name = self.prefix + topic.name
        await self._producer.send(OutgoingRecord(name, topic.key_of(event), value, headers))

    async def take_back(self, event: Any, topic: Any) -> None:
        """Publish a tombstone for the key of an event."""
        await self._producer.send(OutgoingRecord(self.prefix + topic.name, topic.key_of(event), None))

    async def publish_raw(self, value: bytes, topic: Any) -> None:
        await self._producer.send(OutgoingRecord(self.prefix + topic.name, b"k", value, (("who", b"me"),)))

    async def start(
        self,
        *arguments: str,
        module: str = "attendance_projector",
        is_heard: bool = False,
        is_printing: bool = False,
    ) -> asyncio.subprocess.Process:
        """Start a process; `is_heard` leaves its last words to the test, `is_printing` its output."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            env=with_login_of(self.environ, *arguments),
            stdout=asyncio.subprocess.PIPE if is_printing else None,
            stderr=asyncio.subprocess.PIPE if is_heard else None,
        )
        self._processes.append(process)
        return process

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def open_cluster(stack: StackEnv, database: Database, prefix: str, port: int) -> AsyncIterator[Cluster]:
    """Make the topics and register the schemas; afterwards end the processes and remove the topics."""
    servers, registry_url = stack.kafka_bootstrap_servers, stack.schema_registry_url
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": prefix,
        **database.environ(),
        "ATTENDANCE_PROJECTOR_PORT": str(port),
    }
    await apply(servers, registry_url, prefix=prefix, partitions=PARTITIONS, single_broker=True)
    kafka = KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix)
    async with SchemaRegistry(registry_url) as registry, RecordProducer(kafka) as producer:
        codec = Codec(registry, prefix=prefix)
        await codec.prepare([CAPTURES, DIRECTORY, MATCHES, CORRECTIONS])
        made = Cluster(environ, prefix, codec, producer)
        yield made
        await made.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.delete_topics([prefix + topic.name for topic in all_topics()])
    await admin.close()

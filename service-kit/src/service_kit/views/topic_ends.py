"""Where a topic ends at this moment, and which topic it is, asked by clients that read nothing.

A topic that was made anew has the name of the one before, and offsets that may look like those of before.

A broker answers the requests of a connection one after the other, and a reader's connection waits for records
most of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from datetime import timedelta

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from service_kit.errors import TransientFailure
from service_kit.kafka.topic_ids import TopicIdentity, identities_from
from service_kit.settings import KafkaSettings

# A call that takes longer than this found a dead connection; the client is replaced.
CALL_LIMIT = timedelta(seconds=10)


class TopicEnds:
    """Asks for the ends of the partitions of a topic (full name), or its identity; one question at a time."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._client: AIOKafkaConsumer | None = None
        # A consumer cannot ask for ids.
        self._describer: AIOKafkaClient | None = None
        self._asking = asyncio.Lock()

    async def ask(self, partitions: Collection[int], timeout: timedelta = CALL_LIMIT) -> Mapping[int, int]:
        """Return the next offset of each partition.

        Raises:
            TransientFailure: Kafka is away, so that nobody knows what the topic holds.
        """
        asked = [aiokafka.TopicPartition(self._topic, number) for number in sorted(partitions)]
        async with self._asking:
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    if self._client is None:
                        self._client = reading_client(self._kafka)
                        await self._client.start()
                    ends = await self._client.end_offsets(asked)
            except (KafkaError, TimeoutError) as error:
                await self._disconnect()
                raise TransientFailure("kafka", f"offsets of {self._topic}: {error!r}") from error
        return {each.partition: offset for each, offset in ends.items()}

    async def identity(self, timeout: timedelta = CALL_LIMIT) -> TopicIdentity:
        """Return which topic has the name now.

        Raises:
            TransientFailure: Kafka is away or has no such topic.
        """
        async with self._asking:
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    if self._describer is None:
                        self._describer = AIOKafkaClient(**self._kafka.client_options())
                        await self._describer.bootstrap()
                    found = await identities_from(self._describer, [self._topic])
            except (KafkaError, TimeoutError) as error:
                await self._disconnect()
                raise TransientFailure("kafka", f"id of {self._topic}: {error!r}") from error
        if self._topic not in found:
            raise TransientFailure("kafka", f"there is no topic {self._topic}")
        return found[self._topic]

    async def close(self) -> None:
        """Close the clients."""
        async with self._asking:
            await self._disconnect()

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await stop_client(client)
        describer, self._describer = self._describer, None
        if describer is not None:
            await describer.close()


def reading_client(
    kafka: KafkaSettings, *, metadata_max_age: timedelta = timedelta(seconds=30)
) -> AIOKafkaConsumer:
    """Make a client without a group that notices a dead connection soon."""
    return AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metadata_max_age_ms=int(metadata_max_age.total_seconds() * 1000),
        request_timeout_ms=int(CALL_LIMIT.total_seconds() * 1000),
        **kafka.client_options(),
    )


async def stop_client(client: AIOKafkaConsumer) -> None:
    """Stop a client, whatever state it is in."""
    with contextlib.suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(CALL_LIMIT.total_seconds()):
            await client.stop()

"""Publish a record and know that every in-sync replica has it; failures are bounded in time and say so.

aiokafka's idempotent producer never gives up a batch while its broker is away, so a record whose `send`
failed may still arrive minutes later: identities that do not change on a second try make that harmless. It is
not harmless where the last record of a key counts: there the producer forgets what is late (`forget_late`).
After an error that the client cannot recover from (sequence numbers out of step, a dead sender) the client is
replaced by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.structs import RecordMetadata

from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import OutgoingRecord, Position
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

T = TypeVar("T")

# A topic created after the first look must be found without a restart.
METADATA_MAX_AGE = timedelta(seconds=30)


class Sender(Protocol):
    """Publishes and waits for the acknowledgement; `RecordProducer` is one."""

    async def send(self, record: OutgoingRecord) -> Position:
        """Publish and give the position after it; TransientFailure, or PoisonRecord when too large."""


class RecordProducer:
    """An idempotent producer (acks=all, linger 0); an async context manager, or `start` and `stop`.

    `timeout` bounds every `start` and `send`. Starting it is optional: the first `send` connects when needed.
    `forget_late`: the client whose record was not acknowledged in time is given up with all that it still
    holds, so that nothing is sent once more when Kafka is back; other sends that wait for it fail, too.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        timeout: timedelta = timedelta(seconds=5),
        max_request_bytes: int = 1_048_576,
        forget_late: bool = False,
    ) -> None:
        self._kafka = kafka
        self._timeout = timeout
        self._max_request_bytes = max_request_bytes
        self._forget_late = forget_late
        self._client: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()
        self._given_up: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect.

        Raises:
            TransientFailure: Kafka did not answer within the timeout; call again.
        """
        await self._bounded(self._connected(), "connect")

    async def stop(self) -> None:
        """Wait up to the timeout for what is on its way, then close."""
        self._stopped = True
        async with self._changing:
            client, self._client = self._client, None
        if client is not None:
            await self._close(client)
        await asyncio.gather(*self._given_up)

    async def send(self, record: OutgoingRecord) -> Position:
        """Publish and wait until every in-sync replica has the record; give the position after it.

        Raises:
            TransientFailure: no acknowledgement within the timeout; the record may or may not arrive. With
                `forget_late` it is not sent again: it arrives only if it was on its way already.
            PoisonRecord: the record is larger than the broker or this client accepts.
        """
        (acknowledged,) = await self._bounded(self._send_all([record]), f"publish to {record.topic}")
        return _position(acknowledged)

    async def send_timed(self, record: OutgoingRecord) -> datetime:
        """Publish as `send` does; give the time that the log has for the record, in UTC."""
        (acknowledged,) = await self._bounded(self._send_all([record]), f"publish to {record.topic}")
        return datetime.fromtimestamp(acknowledged.timestamp / 1000, UTC)

    async def send_all(self, records: Sequence[OutgoingRecord]) -> list[Position]:
        """Publish records, in this order within a partition, and wait until every in-sync replica has all.

        Raises:
            TransientFailure: not all were acknowledged within the timeout; any of them may or may not arrive.
            PoisonRecord: one of them is larger than the broker or this client accepts; others may arrive.
        """
        sent = await self._bounded(self._send_all(records), f"publish {len(records)} records")
        return [_position(acknowledged) for acknowledged in sent]

    async def check(self) -> None:
        """Raise TransientFailure unless Kafka answers; for readiness."""
        await self._bounded(self._check(), "metadata")

    async def _check(self) -> None:
        client = await self._connected()
        await client.client.fetch_all_metadata()

    async def _send_all(self, records: Sequence[OutgoingRecord]) -> list[RecordMetadata]:
        client = await self._connected()
        sent: list[asyncio.Future[Any]] = []
        try:
            for record in records:
                # In the client's hands, in this order; acknowledged when the future is.
                sent.append(
                    await client.send(
                        record.topic, value=record.value, key=record.key, headers=list(record.headers)
                    )
                )
            return await asyncio.gather(*sent)
        except (MessageSizeTooLargeError, RecordTooLargeError) as error:
            await self._replace(client)  # a refused batch leaves the sequence numbers out of step
            topics = ", ".join(sorted({record.topic for record in records}))
            raise PoisonRecord("record-too-large", f"{topics} refuses the record: {error}") from error
        except KafkaError as error:
            if not error.retriable:
                await self._replace(client)
            raise
        except asyncio.CancelledError:
            if self._forget_late:
                self._give_up(client)
            raise
        finally:
            for each in sent:
                each.cancel()  # nobody waits for the rest any more

    async def _bounded(self, work: Awaitable[T], what: str) -> T:
        seconds = self._timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            raise TransientFailure("kafka", f"{what}: no answer within {seconds:g} s") from error
        except KafkaError as error:
            raise TransientFailure("kafka", f"{what}: {error!r}") from error

    async def _connected(self) -> AIOKafkaProducer:
        async with self._changing:
            if self._stopped:
                raise TransientFailure("kafka", "the producer is stopped")
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            request_timeout_ms=int(self._timeout.total_seconds() * 1000),
            max_request_size=self._max_request_bytes,
            metadata_max_age_ms=int(METADATA_MAX_AGE.total_seconds() * 1000),
            **self._kafka.client_options(),
        )
        try:
            await client.start()
        except BaseException:
            await asyncio.shield(client.stop())
            raise
        return client

    async def _replace(self, broken: AIOKafkaProducer) -> None:
        async with self._changing:
            if self._client is not broken:
                return
            self._client = None
        log.warning(
            "the kafka producer is replaced after an error that it cannot recover from", dependency="kafka"
        )
        await self._close(broken)

    def _give_up(self, late: AIOKafkaProducer) -> None:
        # At once, so that no other send takes this client; what closing it takes is nobody's time.
        if self._client is not late:
            return
        self._client = None
        log.warning(
            "the kafka producer is given up with records that were not acknowledged in time",
            dependency="kafka",
        )
        closing = asyncio.create_task(self._abandon(late), name="give up a kafka producer")
        self._given_up.add(closing)
        closing.add_done_callback(self._given_up.discard)

    async def _close(self, client: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                await client.stop()
        except (TimeoutError, KafkaError) as error:
            # stop() flushes, and an idempotent client keeps its batches for ever while its broker is away.
            log.warning(
                "the kafka producer is closed before everything was acknowledged",
                dependency="kafka",
                error=repr(error),
            )
            await self._abandon(client)

    async def _abandon(self, client: AIOKafkaProducer) -> None:
        # In this order: the sender takes up no batch any more, its requests fail, it ends, and then its
        # batches are given up.
        client._closed = True
        sending = client._sender.sender_task
        sending.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout.total_seconds()):
                await client.client.close()
                await asyncio.wait({sending})
        client._message_accumulator.fail_all(KafkaError("closed before it was acknowledged"))


def _position(acknowledged: RecordMetadata) -> Position:
    return Position(str(acknowledged.topic), int(acknowledged.partition), int(acknowledged.offset) + 1)

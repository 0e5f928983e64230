"""Rows of the outbox to their topics, acked by every in-sync replica."""

from collections.abc import Sequence

import msgspec

from attendance_projector.feed.ports import OutboxRow
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaError, SchemaNotRegistered
from attendance_schemas.events import EVENT_BY_NAME, Event
from attendance_schemas.topics import TOPICS
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.observing.telemetry import inject_headers
from service_kit.settings import KafkaSettings


class KafkaOutboxPublisher:
    """An OutboxPublisher over Kafka."""

    def __init__(self, producer: RecordProducer, codec: Codec, kafka: KafkaSettings) -> None:
        self._producer = producer
        self._codec = codec
        self._kafka = kafka
        self._prepared: set[str] = set()

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Return when every in-sync replica has the events of all rows, in this order for each key."""
        await self._prepare({row.topic for row in rows})
        headers = tuple(inject_headers())
        records = [
            OutgoingRecord(self._kafka.topic(row.topic), row.key.encode(), self._value_of(row), headers)
            for row in rows
        ]
        await self._producer.send_all(records)

    async def _prepare(self, topics: set[str]) -> None:
        unknown = topics - self._prepared
        if missing := unknown - TOPICS.keys():
            raise PoisonRecord("no-such-topic", f"{', '.join(sorted(missing))} is no topic of the contract")
        try:
            await self._codec.prepare([TOPICS[name] for name in unknown])
        except (RegistryUnavailable, SchemaNotRegistered) as error:
            raise TransientFailure("schema-registry", str(error)) from error
        self._prepared |= unknown

    def _value_of(self, row: OutboxRow) -> bytes:
        try:
            event: Event = msgspec.json.decode(row.payload, type=EVENT_BY_NAME[row.event_type])
            return self._codec.encode(event, TOPICS[row.topic])
        except (KeyError, msgspec.MsgspecError, SchemaError) as error:
            raise PoisonRecord("unfit-for-schema", f"{row.event_type}: {error!r}") from error

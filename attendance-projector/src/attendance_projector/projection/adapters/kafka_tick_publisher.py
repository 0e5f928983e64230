"""Ticks to their topic, acked by every in-sync replica."""

from datetime import datetime

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.events import ClockTicked
from attendance_schemas.topics import CLOCK
from service_kit.errors import TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings


class KafkaTickPublisher:
    """A TickPublisher over Kafka."""

    def __init__(self, producer: RecordProducer, codec: Codec, kafka: KafkaSettings) -> None:
        self._producer = producer
        self._codec = codec
        self._topic = kafka.topic(CLOCK.name)
        self._is_prepared = False

    async def publish(self, tick: ClockTicked) -> datetime:
        """Return the log's time when every in-sync replica has the tick. Raises TransientFailure."""
        try:
            if not self._is_prepared:
                await self._codec.prepare([CLOCK])
                self._is_prepared = True
        except (RegistryUnavailable, SchemaNotRegistered) as error:
            raise TransientFailure("schema-registry", str(error)) from error
        value = self._codec.encode(tick, CLOCK)
        return await self._producer.send_timed(OutgoingRecord(self._topic, CLOCK.key_of(tick), value))

"""Events to their topics, acked by every in-sync replica."""

import msgspec

from attendance_schemas.codec import Codec
from attendance_schemas.events import Authority, Event
from attendance_schemas.topics import Topic
from ingest.adapters.outage import Outage
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import Headers, OutgoingRecord, Position
from service_kit.observing.telemetry import inject_headers, tracer
from service_kit.settings import KafkaSettings

_tracer = tracer(__name__)
# A tombstone has no value that could say who acted.
AUTHORITY = "authority"


class KafkaEventPublisher:
    """An EventPublisher over Kafka; the topics it writes must be prepared in the codec."""

    def __init__(self, producer: RecordProducer, codec: Codec, kafka: KafkaSettings) -> None:
        self._producer = producer
        self._codec = codec
        self._kafka = kafka
        self._outage = Outage("kafka")

    async def publish(self, event: Event, topic: Topic) -> None:
        """Return when every in-sync replica has the event."""
        await self.send(event, topic)

    async def send(self, event: Event, topic: Topic) -> Position:
        """Publish an event and return the position after it."""
        return await self._send(topic.key_of(event), self._codec.encode(event, topic), topic)

    async def send_tombstone(self, event: Event, authority: Authority, topic: Topic) -> Position:
        """Publish the end of an event's key, with who ended it; return the position after it."""
        headers = ((AUTHORITY, msgspec.json.encode(authority)),)
        return await self._send(topic.key_of(event), None, topic, headers)

    async def _send(self, key: bytes, value: bytes | None, topic: Topic, headers: Headers = ()) -> Position:
        with _tracer.start_as_current_span(f"publish {topic.name}"):
            record = OutgoingRecord(
                topic=self._kafka.topic(topic.name),
                key=key,
                value=value,
                headers=(*headers, *inject_headers()),
            )
            return await self._outage.attempt(lambda: self._producer.send(record))

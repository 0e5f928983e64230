"""Events to their topics, acked by every in-sync replica."""

from attendance_schemas.codec import Codec
from attendance_schemas.events import Event
from attendance_schemas.topics import Topic
from ingest.adapters.outage import Outage
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import Headers, OutgoingRecord, Position
from service_kit.observing.telemetry import inject_headers, tracer
from service_kit.settings import KafkaSettings

_tracer = tracer(__name__)


class KafkaEventPublisher:
    """An EventPublisher over Kafka; the topics it writes must be prepared in the codec."""

    def __init__(self, producer: RecordProducer, codec: Codec, kafka: KafkaSettings) -> None:
        self._producer = producer
        self._codec = codec
        self._kafka = kafka
        self._outage = Outage("kafka")

    async def publish(self, event: Event, topic: Topic) -> None:
        """Return when every in-sync replica has the event."""
        await self.send(topic, topic.key_of(event), event)

    async def send(self, topic: Topic, key: bytes, event: Event | None, headers: Headers = ()) -> Position:
        """Publish an event, or the end of a key (None), and return the position after it."""
        with _tracer.start_as_current_span(f"publish {topic.name}"):
            record = OutgoingRecord(
                topic=self._kafka.topic(topic.name),
                key=key,
                value=None if event is None else self._codec.encode(event, topic),
                headers=(*headers, *inject_headers()),
            )
            return await self._outage.attempt(lambda: self._producer.send(record))

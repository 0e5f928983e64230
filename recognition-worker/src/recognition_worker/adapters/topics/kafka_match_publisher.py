"""Publishes decisions and templates, and returns when every in-sync replica has them.

The trace and the correlation id of the record being handled go on in the headers.
"""

from attendance_schemas.codec import Codec
from attendance_schemas.events import EnrolmentDecided, Event, MatchDecided, TemplateEnrolled
from attendance_schemas.topics import ENROLMENT_RESULTS, GALLERY, MATCHES, MATCHES_SHADOW, PERSON_KEYS, Topic
from recognition_worker.adapters.topics.key_roles import SealingKeys
from recognition_worker.adapters.topics.sealed_templates import seal
from recognition_worker.domain.identity import Person, TemplateId
from recognition_worker.recognition.event_mapping import person_of
from recognition_worker.recognition.record_keys import record_key
from service_kit.kafka.producer import Sender
from service_kit.kafka.records import OutgoingRecord
from service_kit.observing.telemetry import inject_headers
from service_kit.settings import KafkaSettings

WRITTEN_TOPICS = (MATCHES, MATCHES_SHADOW, GALLERY, ENROLMENT_RESULTS, PERSON_KEYS)


class KafkaMatchPublisher:
    """A MatchPublisher and a TemplatePublisher; `WRITTEN_TOPICS` must be prepared in the codec."""

    def __init__(self, producer: Sender, codec: Codec, kafka: KafkaSettings, keys: SealingKeys) -> None:
        self._keys = keys
        self._producer = producer
        self._codec = codec
        self._kafka = kafka

    async def publish(self, match: MatchDecided) -> None:
        """Publish a match.

        Raises:
            TransientFailure: Kafka is away.
        """
        await self._send(MATCHES, match)

    async def publish_shadow(self, match: MatchDecided) -> None:
        """Publish a match that nobody acts on.

        Raises:
            TransientFailure: Kafka is away.
        """
        await self._send(MATCHES_SHADOW, match)

    async def enrol(self, template: TemplateEnrolled) -> None:
        """Write a readable template, sealed with the key of its person, who gets one when they have none.

        Raises:
            TransientFailure: Kafka is away, or the person is erased at this moment.
        """
        key_id, data_key = await self._keys.key_for(person_of(template), template.occurred_at)
        await self._send(GALLERY, seal(template, key_id, data_key))

    async def erase(self, person: Person, template_id: TemplateId) -> None:
        """Write the tombstone of a template.

        Raises:
            TransientFailure: Kafka is away.
        """
        await self._producer.send(
            OutgoingRecord(
                self._kafka.topic(GALLERY.name),
                record_key(person, template_id),
                None,
                tuple(inject_headers()),
            )
        )

    async def decide(self, decision: EnrolmentDecided) -> None:
        """Publish the verdict on an enrolment.

        Raises:
            TransientFailure: Kafka is away.
        """
        await self._send(ENROLMENT_RESULTS, decision)

    async def _send(self, topic: Topic, event: Event) -> None:
        await self._producer.send(
            OutgoingRecord(
                topic=self._kafka.topic(topic.name),
                key=topic.key_of(event),
                value=self._codec.encode(event, topic),
                headers=tuple(inject_headers()),
            )
        )

"""Finds where the photos of enrolments are stored: on `attendance.enrolments`, else beside the photos.

ingest stores each accepted enrolment as an object too, beside its photos
(`enrolments/ORG/PERSON/ENROLMENT/manifest`, the event as JSON); that is read where the topic lacks one.
"""

from uuid import UUID

import msgspec

from attendance_schemas.codec import Codec
from attendance_schemas.events import EnrolmentRequested, ImageReference, TemplateEnrolled
from attendance_schemas.topics import ENROLMENTS
from recognition_worker.adapters.topics.kafka_snapshots import decoded
from service_kit.errors import ObjectNotFound
from service_kit.kafka.bounded_reading import records_of
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.state.object_store import ObjectReader

log = get_logger(__name__)


class StoredEnrolments:
    """Photos by organisation, enrolment and SHA-256."""

    def __init__(self, store: ObjectReader, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._photos: dict[tuple[str, UUID, str], ImageReference] = {}
        self._asked: set[tuple[str, UUID]] = set()

    async def read_topic(self, kafka: KafkaSettings, codec: Codec) -> None:
        """Take in what the topic holds now.

        Raises:
            TransientFailure: Kafka is away. RegistryUnavailable: the schema registry is.
        """
        async for record in records_of(kafka, kafka.topic(ENROLMENTS.name)):
            event = await decoded(record, codec)
            if isinstance(event, EnrolmentRequested):
                self._take(event)

    async def find(self, template: TemplateEnrolled) -> ImageReference | None:
        """Return where the photo of a template is stored; None when neither source knows.

        Raises:
            TransientFailure: the object store is away.
        """
        enrolment = (template.org_id, template.enrolment_id)
        wanted = (*enrolment, template.source_sha256)
        if wanted not in self._photos and enrolment not in self._asked:
            self._asked.add(enrolment)
            await self._read_object(template)
        return self._photos.get(wanted)

    async def _read_object(self, template: TemplateEnrolled) -> None:
        key = f"enrolments/{template.org_id}/{template.person_id}/{template.enrolment_id}/manifest"
        try:
            self._take(msgspec.json.decode(await self._store.get(self._bucket, key), type=EnrolmentRequested))
        except ObjectNotFound:
            return
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("a stored enrolment cannot be read", key=key, error=str(error))

    def _take(self, request: EnrolmentRequested) -> None:
        for photo in request.photos:
            self._photos[request.org_id, request.enrolment_id, photo.sha256] = photo

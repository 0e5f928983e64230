"""Reads what a topic holds now, for commands that look once and end."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import Event, TemplateEnrolled
from attendance_schemas.topics import GALLERY, Topic
from recognition_worker.domain.enrolment_coverage import Coverage
from recognition_worker.domain.identity import ModelId
from recognition_worker.recognition.event_mapping import person_of
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import CompactedView

log = get_logger(__name__)

_LIMIT = timedelta(minutes=5)


async def newest_by_key(kafka: KafkaSettings, topic: Topic) -> dict[bytes, Record]:
    """Return the last record of each key of a compacted topic, without what was erased.

    Raises:
        TransientFailure: Kafka is away.
    """
    newest = {record.key or b"": record async for record in records_of(kafka, kafka.topic(topic.name))}
    return {key: record for key, record in newest.items() if record.value is not None}


class WholeGallery:
    """The gallery's topic as it is now, for all models; an async context."""

    def __init__(self, kafka: KafkaSettings, codec: Codec) -> None:
        self._codec = codec
        self._newest: dict[bytes, Record] = {}
        self._view = CompactedView(kafka, kafka.topic(GALLERY.name), self._keep, start_timeout=_LIMIT)

    async def __aenter__(self) -> Self:
        await self._view.start()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self._view.stop()

    def still_has(self, template: TemplateEnrolled) -> bool:
        """Tell whether a template was not erased until now."""
        return GALLERY.key_of(template) in self._newest

    async def templates(self) -> list[TemplateEnrolled]:
        """Return the templates of all models; what cannot be read is logged and left out.

        Raises:
            RegistryUnavailable: the schema registry is away.
        """
        return await _templates(list(self._newest.values()), self._codec)

    def _keep(self, record: Record) -> None:
        if record.value is None:
            self._newest.pop(record.key or b"", None)
        else:
            self._newest[record.key or b""] = record


async def coverage_of_gallery(kafka: KafkaSettings, codec: Codec) -> Coverage:
    """Return who has templates of which model.

    Raises:
        TransientFailure: Kafka is away. RegistryUnavailable: the schema registry is.
    """
    newest = await newest_by_key(kafka, GALLERY)
    return Coverage.of(
        (
            ModelId(template.model_name, template.model_version),
            person_of(template),
        )
        for template in await _templates(newest.values(), codec)
    )


async def _templates(records: Iterable[Record], codec: Codec) -> list[TemplateEnrolled]:
    events = [await decoded(record, codec) for record in records]
    return [event for event in events if isinstance(event, TemplateEnrolled)]


async def decoded(record: Record, codec: Codec) -> Event | None:
    """Return the event of a record; None, and a line in the log, when it cannot be read."""
    try:
        return await codec.decode(record.value)
    except UndecodableRecord as error:
        log.warning("a record is left out", record=str(record), reason=str(error))
        return None

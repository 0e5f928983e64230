"""Reads what a topic holds now, for commands that look once and end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import Event, TemplateEnrolled
from attendance_schemas.topics import GALLERY, Topic
from recognition_worker.domain.enrolment_coverage import Coverage
from recognition_worker.domain.identity import ModelId, OrgId, PersonId
from service_kit.errors import TransientFailure
from service_kit.kafka.consumer import read_record
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.state.compacted_view import CompactedView

log = get_logger(__name__)

_LIMIT = timedelta(minutes=5)
_ANSWER_LIMIT = timedelta(seconds=30)


async def newest_by_key(kafka: KafkaSettings, topic: Topic) -> dict[bytes, Record]:
    """Return the last record of each key of a compacted topic, without what was erased.

    Raises:
        TransientFailure: Kafka is away.
    """
    newest: dict[bytes, Record] = {}

    def keep(record: Record) -> None:
        newest[record.key or b""] = record

    async with CompactedView(kafka, kafka.topic(topic.name), keep, start_timeout=_LIMIT):
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
        events = [await decoded(record, self._codec) for record in list(self._newest.values())]
        return [event for event in events if isinstance(event, TemplateEnrolled)]

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
    async with WholeGallery(kafka, codec) as gallery:
        templates = await gallery.templates()
    return Coverage.of(
        (
            ModelId(template.model_name, template.model_version),
            (OrgId(template.org_id), PersonId(template.person_id)),
        )
        for template in templates
    )


async def decoded(record: Record, codec: Codec) -> Event | None:
    """Return the event of a record; None, and a line in the log, when it cannot be read."""
    try:
        return await codec.decode(record.value)
    except UndecodableRecord as error:
        log.warning("a record is left out", record=str(record), reason=str(error))
        return None


async def records_since(kafka: KafkaSettings, topic: Topic, since: datetime) -> AsyncIterator[Record]:
    """Yield the records of a topic from an instant, by the broker's clock, to the ends seen at the start.

    Raises:
        TransientFailure: Kafka is away, or stops answering.
    """
    consumer = AIOKafkaConsumer(
        kafka.topic(topic.name), enable_auto_commit=False, auto_offset_reset="none", **kafka.client_options()
    )
    try:
        async with asyncio.timeout(_ANSWER_LIMIT.total_seconds()):
            await consumer.start()
            ends = await _seek(consumer, since)
        while ends:
            fetched = await consumer.getmany(
                *ends, timeout_ms=int(_ANSWER_LIMIT.total_seconds() * 1000), max_records=1000
            )
            if not fetched:
                raise TransientFailure("kafka", f"{topic.name} stopped before its end")
            for partition, records in fetched.items():
                for raw in records:
                    if raw.offset < ends[partition]:
                        yield read_record(raw)
                if await consumer.position(partition) >= ends[partition]:
                    del ends[partition]
    except (KafkaError, TimeoutError) as error:
        raise TransientFailure("kafka", f"{topic.name} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()


async def _seek(consumer: AIOKafkaConsumer, since: datetime) -> dict[Any, int]:
    """Go to an instant in each partition; return the ends of those with records since."""
    partitions = list(consumer.assignment())
    starts = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since.timestamp() * 1000)))
    ends = await consumer.end_offsets(partitions)
    left = {}
    for partition in partitions:
        start = starts.get(partition)
        if start is not None and start.offset < ends[partition]:
            consumer.seek(partition, start.offset)
            left[partition] = ends[partition]
    return left

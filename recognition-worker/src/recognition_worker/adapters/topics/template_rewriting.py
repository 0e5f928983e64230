"""Seals templates that 0.1.0 wrote readable, and wraps keys with the key-encryption key in force.

A worker does not do this by itself: workers of 0.1.0 beside it could not read what it sealed. An operator
runs it when all workers are new, and again after another key-encryption key was put first. A second run
changes nothing.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import EmbeddingEncoding, TemplateEnrolled
from attendance_schemas.topics import GALLERY
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.adapters.topics.gallery_feed import Key
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.domain.identity import TemplateId
from recognition_worker.domain.person_keys import KeyId
from recognition_worker.recognition.record_keys import split_key
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

CATCH_UP_LIMIT = timedelta(seconds=30)
AT_ONCE = 100
T = TypeVar("T")


@dataclass(slots=True)
class Rewritten:
    """What was changed."""

    sealed: int = 0
    rewrapped: int = 0
    keys_forgotten: int = 0
    templates_forgotten: int = 0


class TemplateRewriting:
    """One run over both topics. Its keys are started and stopped here."""

    def __init__(self, kafka: KafkaSettings, codec: Codec, templates: KafkaTemplates) -> None:
        self._codec = codec
        self._templates = templates
        self._topic = followed(kafka, GALLERY, self._apply)
        self._readable: dict[Key, TemplateEnrolled] = {}
        self._sealed_with: dict[Key, KeyId] = {}

    async def run(self, *, forget_unreadable: bool = False) -> Rewritten:
        """Rewrite what needs it.

        Raises:
            TransientFailure: Kafka or the registry is away; run it again.
            KeysRefused: keys that cannot be opened, unless they are to be forgotten.
        """
        done = Rewritten()
        await self._templates.keys.start(refuse_unknown=not forget_unreadable)
        await self._topic.start()
        if forget_unreadable:
            await self._forget_unreadable(done)
        for keys in _parts(list(self._readable)):
            # Somebody may erase them at this moment: look at the ends of both topics first.
            await self._topic.caught_up(CATCH_UP_LIMIT)
            await self._templates.keys.catch_up()
            await asyncio.gather(*(self._seal(key, done) for key in keys))
        for person_keys in _parts(list(self._templates.keys.known)):
            await self._templates.keys.catch_up()
            rewrapped = await asyncio.gather(*(self._templates.keys.rewrap(key) for key in person_keys))
            done.rewrapped += sum(rewrapped)
        return done

    async def stop(self) -> None:
        """Stop following the topics."""
        await self._topic.stop()
        await self._templates.keys.stop()

    async def _seal(self, key: Key, done: Rewritten) -> None:
        event = self._readable.get(key)
        if event is None:
            return
        if self._templates.keys.known.voids(key[0], event.occurred_at):
            await self._templates.publisher.erase(*key)
            done.templates_forgotten += 1
            return
        await self._templates.publisher.enrol(event)
        done.sealed += 1

    async def _forget_unreadable(self, done: Rewritten) -> None:
        keys = self._templates.keys
        lost = {(key.person, key.key_id) for key in keys.known if not keys.opens(key)}
        for (person, template_id), key_id in list(self._sealed_with.items()):
            if (person, key_id) in lost:
                await self._templates.publisher.erase(person, template_id)
                done.templates_forgotten += 1
        for person, key_id in lost:
            await keys.erase(person, key_id)
            done.keys_forgotten += 1

    async def _apply(self, record: Record, _read_at: float) -> None:
        try:
            person, template_id = split_key(record.key)
            key = person, TemplateId(template_id)
            self._readable.pop(key, None)
            self._sealed_with.pop(key, None)
            event = await self._codec.decode(record.value) if record.value is not None else None
        except (UndecodableRecord, ValueError):
            log.warning("a record of the gallery is left as it is", record=str(record))
            return
        if not isinstance(event, TemplateEnrolled):
            return
        if event.embedding_encoding is EmbeddingEncoding.FLOAT32_LE:
            self._readable[key] = event
        else:
            self._sealed_with[key] = KeyId(str(event.data_key_id))


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))

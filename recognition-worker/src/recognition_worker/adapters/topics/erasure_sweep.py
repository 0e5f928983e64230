"""Erases again what came back after an erasure.

A worker that was cut off in the middle of an enrolment may write a key or a template after the person's
erasure, and one of version 0.1.0 knows nothing of erasures. Nobody can be found by it, for the erasure voids
it; but it lies on the topics until somebody erases it again. Every worker looks, now and then; tombstones of
several are harmless.
"""

import asyncio
from datetime import timedelta
from typing import Protocol

from recognition_worker.adapters.topics.key_roles import ErasableKeys
from recognition_worker.domain.identity import Person, TemplateId
from recognition_worker.domain.person_keys import KeyId
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.ports import TemplatePublisher
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

EVERY = timedelta(seconds=60)


class Written(Protocol):
    """Templates on the topic: KafkaGalleryView."""

    async def came_back(self) -> list[tuple[Person, TemplateId]]:
        """Return templates of erased enrolments that are on the topic now."""
        ...


class ErasureSweep:
    """Looks every minute; what lies there twice in a row is no erasure under way."""

    def __init__(
        self, keys: ErasableKeys, written: Written, templates: TemplatePublisher, metrics: RecognitionMetrics
    ) -> None:
        self._keys = keys
        self._written = written
        self._templates = templates
        self._metrics = metrics
        self._seen_keys: set[tuple[Person, KeyId]] = set()
        self._seen_templates: set[tuple[Person, TemplateId]] = set()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            try:
                await self.sweep()
            except TransientFailure as failure:
                log.warning(
                    "what came back after erasures is looked for later",
                    dependency=failure.dependency,
                    detail=failure.detail,
                )

    async def sweep(self) -> int:
        """Erase what is still there since the last look; return how many records. Raises TransientFailure."""
        keys, templates = set(self._keys.known.came_back), set(await self._written.came_back())
        old_keys, old_templates = keys & self._seen_keys, templates & self._seen_templates
        self._seen_keys, self._seen_templates = keys, templates
        for person, key_id in old_keys:
            await self._keys.erase(person, key_id)
        for person, template_id in old_templates:
            await self._templates.erase(person, template_id)
        if count := len(old_keys) + len(old_templates):
            self._metrics.erased_again.inc(count)
            log.warning(
                "records that came back after an erasure were erased again",
                key_count=len(old_keys),
                template_count=len(old_templates),
            )
        return count

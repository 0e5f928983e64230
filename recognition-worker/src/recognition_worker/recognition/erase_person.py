"""Erases a person's templates, and the keys that make copies of these readable.

1. void all that was requested until the erasure, for good; workers leave it out from now on.
2. tombstone the keys: every copy of the templates is unreadable.
3. tombstone the templates.
4. write that all of it is acknowledged.

Each step is acknowledged before the next. After a crash anywhere the event comes again, and the same steps
finish it; a person who was enrolled again in between stays. Where a later erasure has begun, an earlier one
that comes again does the work of both: what it calls complete is what is void.
"""

from collections.abc import Callable
from datetime import datetime

from attendance_schemas.events import PersonErased
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.event_mapping import person_of
from recognition_worker.recognition.ports import PersonKeyStore, TemplateIndex, TemplatePublisher
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class ErasePerson:
    """The use case."""

    def __init__(
        self,
        keys: PersonKeyStore,
        index: TemplateIndex,
        templates: TemplatePublisher,
        metrics: RecognitionMetrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._index = index
        self._templates = templates
        self._metrics = metrics
        self._now = now

    async def __call__(self, event: PersonErased) -> None:
        """Erase; return when everything is acknowledged.

        Raises:
            TransientFailure: Kafka is away; call again.
        """
        person = person_of(event)
        until = await self._keys.void(person, event.occurred_at)
        keys = await self._keys.requested_until(person, until)
        for key_id in keys:
            await self._keys.erase(person, key_id)
        templates = await self._index.requested_until(person, until)
        for template_id in templates:
            await self._templates.erase(person, template_id)
        await self._keys.void(person, until, completed_at=self._now())
        self._metrics.erasures.inc()
        log.info(
            "biometrics erased",
            erasure_id=str(event.erasure_id),
            key_count=len(keys),
            template_count=len(templates),
        )

"""Keeps the gallery equal to `attendance.gallery`: complete before the first capture, then following.

The kit's view hands over bytes without waiting; decoding may have to ask the schema registry. So records
queue up here and one task applies them in order. A template of another model is left out and counted: models
never compare.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import TemplateEnrolled
from attendance_schemas.topics import GALLERY
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, TemplateId
from recognition_worker.errors import ModelMismatch
from recognition_worker.event_mapping import template_key, template_of
from recognition_worker.metrics import GalleryMetrics
from recognition_worker.ports import Gallery
from service_kit.backoff import Backoff
from service_kit.compacted_view import CompactedView
from service_kit.errors import TransientFailure
from service_kit.logs import get_logger
from service_kit.records import Record
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

START_LIMIT = timedelta(minutes=5)


class GalleryFeed:
    """Applies records of the gallery's topic to a gallery, one after the other."""

    def __init__(
        self,
        gallery: Gallery,
        model: ModelId,
        codec: Codec,
        metrics: GalleryMetrics,
        *,
        kept_elsewhere: Callable[[ModelId], bool] = lambda _model: False,
    ) -> None:
        """Feed a gallery. kept_elsewhere: models with a gallery of their own in this worker."""
        self._gallery = gallery
        self._kept_elsewhere = kept_elsewhere
        self._model = model
        self._codec = codec
        self._metrics = metrics
        self._org_of: dict[tuple[PersonId, TemplateId], OrgId] = {}
        self._templates_of: Counter[tuple[OrgId, PersonId]] = Counter()
        self._other_models: set[ModelId] = set()

    async def apply(self, record: Record) -> None:
        """Apply one record; one that cannot be applied is counted and left out.

        Raises:
            RegistryUnavailable: try the same record again.
        """
        try:
            key = template_key(record.key or b"")
            if record.value is None:
                self._erase(key)
                return
            event = await self._codec.decode(record.value)
            if not isinstance(event, TemplateEnrolled):
                raise UndecodableRecord(f"a {type(event).__name__} is no template")
            model = ModelId(event.model_name, event.model_version)
            if model != self._model:
                self._erase(key)
                if self._kept_elsewhere(model):
                    return
                self._leave_out("other-model", record, self._first_of(model))
                return
            self._add(key, event)
        except (UndecodableRecord, ValueError) as error:
            self._leave_out("unreadable", record, error)
        except ModelMismatch as error:
            self._leave_out("mismatch", record, error)

    def _add(self, key: tuple[PersonId, TemplateId], event: TemplateEnrolled) -> None:
        template = template_of(event)
        if key != (template.person_id, template.template_id):
            raise ValueError(f"the key says {key}, the event template {template.template_id}")
        self._gallery.add(template)
        self._forget(key)
        self._org_of[key] = template.org_id
        self._templates_of[template.org_id, template.person_id] += 1
        self._show()

    def _erase(self, key: tuple[PersonId, TemplateId]) -> None:
        self._gallery.erase(*key)
        self._forget(key)
        self._show()

    def _forget(self, key: tuple[PersonId, TemplateId]) -> None:
        org_id = self._org_of.pop(key, None)
        if org_id is None:
            return
        owner = (org_id, key[0])
        self._templates_of[owner] -= 1
        if not self._templates_of[owner]:
            del self._templates_of[owner]

    def _show(self) -> None:
        self._metrics.gallery_templates.set(len(self._org_of))
        self._metrics.gallery_people.set(len(self._templates_of))

    def _first_of(self, model: ModelId) -> ModelMismatch | None:
        """Return what to say of another model's templates: once, for there may be thousands."""
        if model in self._other_models:
            return None
        self._other_models.add(model)
        return ModelMismatch(
            f"the gallery has templates of model {model}, this worker compares {self._model}: their people "
            f"are not found; enrol them again, or run the version of the worker that has {model}"
        )

    def _leave_out(self, reason: str, record: Record, error: Exception | None = None) -> None:
        self._metrics.gallery_ignored.labels(reason).inc()
        if error is not None:
            log.error(
                "a template was left out of the gallery", record=str(record), reason=reason, error=str(error)
            )


class KafkaGalleryView:
    """Follows the topic in the background; an async context is not needed, `start` and `stop` are."""

    def __init__(self, kafka: KafkaSettings, feed: GalleryFeed) -> None:
        self._kafka = kafka
        self._feed = feed
        self._queue: asyncio.Queue[Record] = asyncio.Queue()
        self._view: CompactedView | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when everything that the topic holds now is in the gallery; go on in the background.

        Raises:
            TransientFailure: Kafka or the registry is away; call again.
        """
        await self.stop()
        self._queue = asyncio.Queue()
        view = CompactedView(
            self._kafka, self._kafka.topic(GALLERY.name), self._queue.put_nowait, start_timeout=START_LIMIT
        )
        self._task = asyncio.create_task(self._apply_all(), name="gallery")
        try:
            await view.start()
            async with asyncio.timeout(START_LIMIT.total_seconds()):
                await self._applied()
        except BaseException as error:
            await view.stop()
            await self.stop()
            if isinstance(error, TimeoutError):
                raise TransientFailure(
                    "schema-registry", f"the gallery was not decoded in {START_LIMIT}"
                ) from error
            raise
        self._view = view

    async def stop(self) -> None:
        """Stop following."""
        if self._view is not None:
            await self._view.stop()
            self._view = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def check(self) -> None:
        """Raise unless the gallery is complete and following; for readiness."""
        if self._view is None or self._task is None:
            raise TransientFailure("kafka", "the gallery is not complete yet")
        if self._task.done():
            self._task.result()
        await self._view.check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises the bug that it died of."""
        if self._view is None or self._task is None:
            return
        reading = asyncio.create_task(self._view.join())
        done, _ = await asyncio.wait({reading, self._task}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        for task in done:
            if not task.cancelled():
                task.result()

    async def _applied(self) -> None:
        joined = asyncio.create_task(self._queue.join())
        tasks = {joined} | ({self._task} if self._task else set())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            joined.cancel()
        if self._task is not None and self._task.done():
            self._task.result()

    async def _apply_all(self) -> None:
        while True:
            record = await self._queue.get()
            backoff = Backoff()
            while True:
                try:
                    await self._feed.apply(record)
                except RegistryUnavailable as error:
                    log.warning(
                        "the gallery waits for the schema registry", record=str(record), error=str(error)
                    )
                    await asyncio.sleep(backoff.next_delay().total_seconds())
                else:
                    break
            self._queue.task_done()

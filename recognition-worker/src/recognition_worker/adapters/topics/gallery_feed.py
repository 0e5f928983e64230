"""Applies records of `attendance.gallery` to the galleries of the models.

Each template is opened with its person's data key. One whose key is gone, or whose enrolment was erased, is
left out and counted: that is what erasing means, and no error. Templates go to the gallery of their model;
without one they are left out and counted, for models never compare. All of them are remembered by their key,
readable or not, so that an erasure finds every one.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import TemplateEnrolled
from recognition_worker.adapters.topics.key_roles import OpeningKeys
from recognition_worker.adapters.topics.sealed_templates import opened
from recognition_worker.domain.identity import ModelId, Person, TemplateId
from recognition_worker.domain.person_keys import KeyId, PersonKey
from recognition_worker.errors import ModelMismatch
from recognition_worker.metrics import GalleryMetrics
from recognition_worker.recognition.event_mapping import person_of, template_of
from recognition_worker.recognition.ports import Gallery
from recognition_worker.recognition.record_keys import split_key
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.state.envelope import EnvelopeError, UnknownKey

log = get_logger(__name__)

NEVER_READ_BEFORE = float("inf")

Key = tuple[Person, TemplateId]


@dataclass(frozen=True, slots=True)
class _Written:
    """A template as it is on the topic. What could not be decoded has no facts."""

    requested_at: datetime | None = None
    key_id: KeyId | None = None


class _Left(Exception):
    """A template is left out, and why; `error` goes to the log, and names no person."""

    def __init__(self, reason: str, error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


class GalleryFeed:
    """Applies records of the gallery's topic to the galleries of the models, one after the other."""

    def __init__(
        self,
        galleries: Mapping[ModelId, Gallery],
        keys: OpeningKeys,
        codec: Codec,
        metrics: GalleryMetrics,
        *,
        kept_elsewhere: Callable[[ModelId], bool] = lambda _model: False,
    ) -> None:
        """Feed galleries by model. kept_elsewhere: models with a gallery of their own in this worker."""
        self._kept_elsewhere = kept_elsewhere
        self._galleries = galleries
        self._keys = keys
        self._codec = codec
        self._metrics = metrics
        self._written: dict[Person, dict[TemplateId, _Written]] = {}
        self._found: dict[Person, dict[TemplateId, Gallery]] = {}
        self._template_count = 0
        self._said: set[object] = set()
        self._next_offsets: dict[int, int] = {}

    @property
    def offsets(self) -> tuple[int, ...]:
        """Return, by partition, where the topic is read on."""
        count = max(self._next_offsets, default=-1) + 1
        return tuple(self._next_offsets.get(number, 0) for number in range(count))

    async def apply(self, record: Record, read_at: float = NEVER_READ_BEFORE) -> None:
        """Apply one record; one that cannot be applied is counted and left out.

        Raises:
            RegistryUnavailable, TransientFailure: try the same record again.
        """
        await self._apply(record, read_at)
        self._next_offsets[record.partition] = record.committable.next_offset

    async def _apply(self, record: Record, read_at: float) -> None:
        try:
            person, template_id = split_key(record.key)
        except ValueError as error:
            self._leave_out(record, _Left("unreadable", str(error)))
            return
        key = person, TemplateId(template_id)
        if record.value is None:
            self._take_out(key)
            self._forget(key)
            return
        try:
            event = await self._decoded(record.value, key)
            await self._add(key, event, read_at)
        except _Left as left:
            self._take_out(key)
            self._leave_out(record, left)

    def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        """Return the templates on the topic that an erasure at this instant takes away."""
        return [
            template_id
            for template_id, written in self._written.get(person, {}).items()
            if (written.requested_at or instant) <= instant
        ]

    @property
    def came_back(self) -> list[Key]:
        """Return templates of erased enrolments that are still on the topic: their tombstones are missing."""
        return [
            (person, template_id)
            for person, erased_at in self._keys.known.erasures()
            for template_id in self.requested_until(person, erased_at)
        ]

    def forget_erased(self, person: Person) -> None:
        """Take a person's templates out whose key or enrolment was erased."""
        for template_id in list(self._found.get(person, {})):
            if self._is_erased(person, self._written[person][template_id]):
                self._take_out((person, template_id))
                self._metrics.gallery_ignored.labels("erased").inc()

    async def _decoded(self, value: bytes, key: Key) -> TemplateEnrolled:
        try:
            event = await self._codec.decode(value)
        except UndecodableRecord as error:
            self._remember(key, _Written())
            # What the codec quotes of a broken body may be anything.
            said = str(error) if error.__cause__ is None else type(error.__cause__).__name__
            raise _Left("unreadable", said) from error
        if not isinstance(event, TemplateEnrolled):
            self._remember(key, _Written())
            raise _Left("unreadable", f"a {type(event).__name__} is no template")
        return event

    async def _add(self, key: Key, event: TemplateEnrolled, read_at: float) -> None:
        key_id = KeyId(sys.intern(str(event.data_key_id))) if event.data_key_id else None
        written = _Written(event.occurred_at, key_id)
        self._remember(key, written)
        if key != (person_of(event), str(event.template_id)):
            raise _Left("unreadable", f"the record key is not the one of template {event.template_id}")
        model = ModelId(event.model_name, event.model_version)
        if model not in self._galleries and self._kept_elsewhere(model):
            self._take_out(key)
            return
        if model not in self._galleries:
            raise _Left("other-model", self._once(model, self._other_model(model)))
        person_key = await self._keys.find(key[0], key_id, read_at) if key_id else None
        if self._is_erased(key[0], written):
            raise _Left("erased")
        self._search(key, self._opened(event, person_key), self._galleries[model])

    def _opened(self, event: TemplateEnrolled, key: PersonKey | None) -> TemplateEnrolled:
        if key is None:
            return event
        try:
            return opened(event, key.key_id, self._keys.data_key(key))
        except UnknownKey as error:
            raise _Left("unknown-key", self._once(error.key_id, str(error))) from error
        except EnvelopeError as error:
            raise _Left("unreadable", f"template {event.template_id}: {error}") from error

    def _search(self, key: Key, event: TemplateEnrolled, gallery: Gallery) -> None:
        """Let a readable template be found by searches."""
        person, template_id = key
        try:
            template = template_of(event)
            self._take_out(key, keep=gallery)
            gallery.add(template)
        except ValueError as error:
            raise _Left("unreadable", str(error)) from error
        except ModelMismatch as error:
            gallery.erase(*key)
            # The gallery's message names the person.
            raise _Left("mismatch", f"the gallery refuses template {template_id}") from error
        self._found.setdefault(person, {})[template_id] = gallery
        self._template_count += 1
        self._show()

    def _is_erased(self, person: Person, written: _Written) -> bool:
        known = self._keys.known
        if written.key_id is not None and known.find(person, written.key_id) is None:
            return True
        return written.requested_at is not None and known.voids(person, written.requested_at)

    def _remember(self, key: Key, written: _Written) -> None:
        self._written.setdefault(key[0], {})[key[1]] = written

    def _forget(self, key: Key) -> None:
        templates = self._written.get(key[0], {})
        templates.pop(key[1], None)
        if not templates:
            self._written.pop(key[0], None)

    def _take_out(self, key: Key, keep: Gallery | None = None) -> None:
        """Let a template no longer be found; `keep` replaces it itself."""
        templates = self._found.get(key[0], {})
        gallery = templates.pop(key[1], None)
        if not templates:
            self._found.pop(key[0], None)
        if gallery is None:
            return
        if gallery is not keep:
            gallery.erase(*key)
        self._template_count -= 1
        self._show()

    def _show(self) -> None:
        self._metrics.gallery_templates.set(self._template_count)
        self._metrics.gallery_people.set(len(self._found))

    def _once(self, about: object, text: str) -> str | None:
        """Return a text the first time: there may be thousands of such templates."""
        if about in self._said:
            return None
        self._said.add(about)
        return text

    def _other_model(self, model: ModelId) -> str:
        ours = " and ".join(str(known) for known in self._galleries)
        return (
            f"the gallery has templates of model {model}, this worker compares {ours}: their people "
            f"are not found; enrol them again, or run the version of the worker that has {model}"
        )

    def _leave_out(self, record: Record, left: _Left) -> None:
        self._metrics.gallery_ignored.labels(left.reason).inc()
        if left.error is not None:
            log.error(
                "a template was left out of the gallery",
                record=str(record),
                reason=left.reason,
                error=left.error,
            )

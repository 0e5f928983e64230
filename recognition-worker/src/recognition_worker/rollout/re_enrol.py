"""Makes templates for another model from the stored photos of those that the gallery has.

Only photos that became templates count: what was refused then stays refused. A template's id follows from
enrolment, photo and model, so a second run makes nothing twice and one that was stopped goes on where it was.
Somebody who is erased meanwhile stays erased: the source is looked for before and after each template.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from attendance_schemas.events import ImageReference, TemplateEnrolled
from recognition_worker.domain.face import Vector
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import ModelId, TemplateId
from recognition_worker.domain.quality import ENROLMENT_LIMITS
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.event_mapping import (
    image_ref,
    person_of,
    template_for_model,
    template_id_of,
)
from recognition_worker.recognition.ports import ImageReader, TemplatePublisher
from recognition_worker.recognition.recognise import Analysis, FaceProbe, NoFace
from recognition_worker.rollout.model_lanes import Lane
from service_kit.errors import PoisonRecord

_BATCH = 16

FindPhoto = Callable[[TemplateEnrolled], Awaitable[ImageReference | None]]
"""Where the photo of a template is stored; None when nobody knows."""
StillEnrolled = Callable[[TemplateEnrolled], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A face of a stored photo with its embedding, float32 (d,), unit norm."""

    probe: FaceProbe
    embedding: Vector


@dataclass(slots=True)
class ReEnrolled:
    """What a run did, in templates. refused: by reason, photos that this model's run could not use."""

    model: ModelId
    source: ModelId
    people: int
    templates: int
    made: int = 0
    already: int = 0
    erased_meanwhile: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether every template of the source has one of this model."""
        return self.made + self.already + self.erased_meanwhile == self.templates

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "model": str(self.model),
            "from": str(self.source),
            "people": self.people,
            "templates": self.templates,
            "made": self.made,
            "already": self.already,
            "erased_meanwhile": self.erased_meanwhile,
            "refused": dict(self.refused),
            "complete": self.complete,
        }


class ReEnrol:
    """The use case."""

    def __init__(
        self,
        lane: Lane,
        images: ImageReader,
        find_photo: FindPhoto,
        templates: TemplatePublisher,
        still_enrolled: StillEnrolled,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._lane = lane
        self._images = images
        self._find_photo = find_photo
        self._templates = templates
        self._still_enrolled = still_enrolled
        self._now = now

    async def __call__(
        self,
        gallery: Sequence[TemplateEnrolled],
        source: ModelId,
        *,
        on_templates: Callable[[int], None] = lambda _count: None,
    ) -> ReEnrolled:
        """Make what is missing of the templates of `source`.

        Raises:
            TransientFailure: the object store or Kafka is away; what was made stays, run it again.
        """
        theirs = [template for template in gallery if _model(template) == source]
        there = {
            (person_of(template), template.template_id)
            for template in gallery
            if _model(template) == self._lane.model
        }
        people = len({person_of(template) for template in theirs})
        result = ReEnrolled(self._lane.model, source, people, len(theirs))
        missing = [
            template for template in theirs if (person_of(template), self._own_id(template)) not in there
        ]
        result.already = len(theirs) - len(missing)
        on_templates(result.already)
        for batch in _batches(missing):
            await self._make(batch, result)
            on_templates(len(batch))
        return result

    async def _make(self, batch: Sequence[TemplateEnrolled], result: ReEnrolled) -> None:
        photos = await asyncio.gather(*(self._photo(template) for template in batch))
        found = [
            (template, photo)
            for template, photo in zip(batch, photos, strict=True)
            if isinstance(photo, tuple)
        ]
        result.refused.update(photo for photo in photos if isinstance(photo, str))
        embedded = await asyncio.to_thread(self._embed, [photo for _, photo in found])
        for (template, _), made in zip(found, embedded, strict=True):
            if isinstance(made, str):
                result.refused[made] += 1
            elif await self._publish(template, made):
                result.made += 1
            else:
                result.erased_meanwhile += 1

    async def _photo(self, template: TemplateEnrolled) -> tuple[bytes, int] | str:
        """Return a photo with its orientation, or why there is none."""
        reference = await self._find_photo(template)
        if reference is None:
            return "nobody knows where the photo is stored"
        work = Work(Kind.ENROLMENT, self._now())
        try:
            return await self._images.read(image_ref(reference), work), reference.orientation
        except PoisonRecord as poison:
            return f"the photo in the object store: {poison.reason}"

    def _embed(self, photos: Sequence[tuple[bytes, int]]) -> list[Embedded | str]:
        analysed = [self._analyse(image, orientation) for image, orientation in photos]
        probes = [probe for probe in analysed if isinstance(probe, FaceProbe)]
        embeddings = iter(self._lane.embedder.embed([probe.crop for probe in probes]))
        return [
            Embedded(probe, next(embeddings)) if isinstance(probe, FaceProbe) else probe for probe in analysed
        ]

    def _analyse(self, image: bytes, orientation: int) -> FaceProbe | str:
        try:
            analysis: Analysis = self._lane.analyser.analyse(
                image, ENROLMENT_LIMITS, orientation=orientation, thorough=True
            )
        except UndecodableImage as error:
            return str(error)
        if isinstance(analysis, FaceProbe):
            return analysis
        return "no face" if isinstance(analysis, NoFace) else "; ".join(analysis.reasons)

    async def _publish(self, source: TemplateEnrolled, made: Embedded) -> bool:
        if not self._still_enrolled(source):
            return False
        template = template_for_model(
            source, made.embedding, made.probe.face, self._lane.model, decided_at=self._now()
        )
        await self._templates.enrol(template)
        if self._still_enrolled(source):
            return True
        await self._templates.erase(person_of(template), TemplateId(str(template.template_id)))
        return False

    def _own_id(self, template: TemplateEnrolled) -> UUID:
        return template_id_of(
            template.org_id, template.enrolment_id, template.source_sha256, self._lane.model
        )


def _model(template: TemplateEnrolled) -> ModelId:
    return ModelId(template.model_name, template.model_version)


def _batches(templates: Sequence[TemplateEnrolled]) -> Iterator[Sequence[TemplateEnrolled]]:
    for start in range(0, len(templates), _BATCH):
        yield templates[start : start + _BATCH]

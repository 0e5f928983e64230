"""Decides one enrolment: fetch its photos, make templates, publish them, then the verdict.

The verdict is the deciding model's; models beside it get templates of the photos that it accepts. The
templates are acknowledged before the verdict is sent: a reader of ENROLLED finds them in the gallery's
topic. A repetition writes the same keys and the same ids. One that comes after the person's erasure, though
it was requested before, is refused: it does not bring them back.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from attendance_schemas.events import EnrolmentDecided, EnrolmentRequested
from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import ModelId, Person, PersonId
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.event_mapping import (
    FIRST_ROUND,
    enrolment_decided,
    image_ref,
    person_of,
    templates_enrolled,
)
from recognition_worker.recognition.inference import Inference
from recognition_worker.recognition.ports import Erasures, ImageReader, Knows, TemplatePublisher
from recognition_worker.recognition.results import EnrolmentResult, PhotoResult

ERASED_REASON = "the person was erased after this enrolment was requested: request a new one, with consent"


class DecideEnrolment:
    """The use case."""

    def __init__(
        self,
        images: ImageReader,
        inference: Inference,
        templates: TemplatePublisher,
        metrics: RecognitionMetrics,
        erasures: Erasures,
        *,
        deciding: Callable[[], ModelId],
        knows: Knows,
        now: Callable[[], datetime],
    ) -> None:
        self._images = images
        self._inference = inference
        self._templates = templates
        self._metrics = metrics
        self._erasures = erasures
        self._deciding = deciding
        self._knows = knows
        self._now = now

    async def __call__(
        self, request: EnrolmentRequested, work: Work, *, decision_round: int = FIRST_ROUND
    ) -> EnrolmentDecided:
        """Enrol and publish. work: since when it waits.

        Raises:
            PoisonRecord: a photo is missing or altered.
            TransientFailure: the object store or Kafka is away.
        """
        person, known = person_of(request), self._knows()
        erased = await self._erasures.voids(person, request.occurred_at)
        if erased:
            refused = PhotoResult(accepted=False, reasons=(ERASED_REASON,))
            result = EnrolmentResult(self._deciding(), (refused,) * len(request.photos))
        else:
            result = await self._judge(request, person, work)
        decided_at = self._now()
        templates = templates_enrolled(request, result, decided_at=decided_at)
        beside = [
            template
            for other in result.others
            for template in templates_enrolled(request, other, decided_at=decided_at)
        ]
        for template in (*templates, *beside):
            await self._templates.enrol(template)
        decision = enrolment_decided(
            request,
            result,
            templates,
            decided_at=decided_at,
            decision_round=decision_round,
            gallery_offsets=known.get(result.model, ()),
            erased=erased,
        )
        await self._templates.decide(decision)
        self._metrics.enrolments.labels(decision.outcome.value).inc()
        return decision

    async def _judge(self, request: EnrolmentRequested, person: Person, work: Work) -> EnrolmentResult:
        images = await asyncio.gather(
            *(self._images.read(image_ref(photo), work) for photo in request.photos)
        )
        photos = [
            Photo(image, reference.orientation)
            for image, reference in zip(images, request.photos, strict=True)
        ]
        return await self._inference.enrol(
            photos,
            work=work,
            org_id=person.org_id,
            person_id=person.person_id,
            accepted_lookalikes=[PersonId(lookalike) for lookalike in request.accepted_lookalikes],
        )

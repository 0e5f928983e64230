"""Decides one enrolment: fetch its photos, make templates, publish them, then the verdict.

The templates are acknowledged before the verdict is sent: whoever reads ENROLLED finds them in the gallery's
topic. A repetition writes the same keys and the same ids.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from attendance_schemas.events import EnrolmentDecided, EnrolmentRequested
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.enrol_person import Photo
from recognition_worker.event_mapping import enrolment_decided, image_ref, templates_enrolled
from recognition_worker.inference import Inference
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.ports import ImageReader, TemplatePublisher


class DecideEnrolment:
    """The use case."""

    def __init__(
        self,
        images: ImageReader,
        inference: Inference,
        templates: TemplatePublisher,
        metrics: RecognitionMetrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._images = images
        self._inference = inference
        self._templates = templates
        self._metrics = metrics
        self._now = now

    async def __call__(self, request: EnrolmentRequested) -> EnrolmentDecided:
        """Enrol and publish.

        Raises:
            PoisonRecord: a photo is missing or altered.
            TransientFailure: the object store or Kafka is away.
        """
        images = await asyncio.gather(*(self._images.read(image_ref(photo)) for photo in request.photos))
        photos = [
            Photo(image, reference.orientation)
            for image, reference in zip(images, request.photos, strict=True)
        ]
        result = await self._inference.enrol(
            photos,
            org_id=OrgId(request.org_id),
            person_id=PersonId(request.person_id),
            accepted_lookalikes=[PersonId(lookalike) for lookalike in request.accepted_lookalikes],
        )
        decided_at = self._now()
        templates = templates_enrolled(request, result, decided_at=decided_at)
        for template in templates:
            await self._templates.enrol(template)
        decision = enrolment_decided(request, result, templates, decided_at=decided_at)
        await self._templates.decide(decision)
        self._metrics.enrolments.labels(decision.outcome.value).inc()
        return decision

"""Between events of the contract and the words of the domain. Pure: the caller brings the clock's reading.

Ids are derived from what the work was about, so that the repetition of a record gives the same events.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np

from attendance_schemas.events import (
    CaptureReceived,
    EmbeddingEncoding,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    FaceBox,
    ImageReference,
    MatchDecided,
    PersonErased,
    PersonKeyIssued,
    PersonRecorded,
    PhotoVerdict,
    TemplateEnrolled,
)
from attendance_schemas.events import Outcome as MatchOutcome
from attendance_schemas.identity import deterministic_id
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import (
    ImageRef,
    ModelId,
    OrgId,
    Person,
    PersonId,
    SiteId,
    Template,
    TemplateId,
)
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult, FaceUsed, PhotoResult

FIRST_ROUND = 0
_FLOAT32_LE = np.dtype("<f4")


HomeOf = Callable[[Person], SiteId | None]
"""The home site of a person, as the directory has it; None: it does not have them."""

AboutAPerson = EnrolmentRequested | PersonErased | PersonKeyIssued | PersonRecorded | TemplateEnrolled


def person_of(event: AboutAPerson) -> Person:
    """Return whom an event is about."""
    return Person(OrgId(event.org_id), PersonId(event.person_id))


def image_ref(image: ImageReference) -> ImageRef:
    """Return what the image reader needs."""
    return ImageRef(image.bucket, image.key, image.sha256, image.media_type, image.orientation)


def match_decided(
    capture: CaptureReceived,
    result: CaptureResult,
    *,
    decided_at: datetime,
    timings_ms: Mapping[str, float],
    home_of: HomeOf,
    camera_notes: tuple[str, ...] = (),
    decision_round: int = FIRST_ROUND,
    gallery_offsets: tuple[int, ...] = (),
) -> MatchDecided:
    """Return the event of a decided capture.

    timings_ms: the stages around the use case; its own are added. home_of: whose reviewers may decide
    otherwise goes by the home of the person. camera_notes: what an operator may do about the camera.
    gallery_offsets: what was known of the gallery.
    """
    decision = result.decision
    named = None if result.person_id is None else Person(OrgId(capture.org_id), PersonId(result.person_id))
    return MatchDecided(
        event_id=deterministic_id(
            "MatchDecided", capture.org_id, capture.capture_id, result.model.version, decision_round
        ),
        occurred_at=capture.occurred_at,
        recorded_at=decided_at,
        org_id=capture.org_id,
        capture_id=capture.capture_id,
        device_id=capture.device_id,
        site_id=capture.site_id,
        device_sequence=capture.device_sequence,
        time_trust=capture.time_trust,
        direction=capture.direction,
        claimed_badge=capture.claimed_badge,
        image=capture.image,
        received_at=capture.recorded_at,
        outcome=MatchOutcome(result.outcome.value),
        person_id=result.person_id,
        score=decision.score if decision else None,
        runner_up_person_id=decision.runner_up_person_id if decision else None,
        runner_up_score=decision.runner_up_score if decision else None,
        threshold=decision.threshold if decision else None,
        margin=decision.margin if decision else None,
        model_name=result.model.name,
        model_version=result.model.version,
        decision_round=decision_round,
        gallery_size=result.gallery_size,
        face=_face_box(result.face) if result.face else None,
        reasons=result.reasons + result.notes + camera_notes,
        timings_ms={stage: round(ms, 3) for stage, ms in {**timings_ms, **result.timings_ms}.items()},
        person_home_site_id=None if named is None else home_of(named),
        gallery_offsets=gallery_offsets,
    )


def templates_enrolled(
    request: EnrolmentRequested, result: EnrolmentResult, *, decided_at: datetime
) -> list[TemplateEnrolled]:
    """Return one template per accepted photo, in the order of the request."""
    made = []
    for photo, verdict in zip(request.photos, result.photos, strict=True):
        if verdict.embedding is None or verdict.face is None:
            continue
        template_id = _template_id(request, photo, result.model)
        made.append(
            TemplateEnrolled(
                event_id=template_id,
                occurred_at=request.occurred_at,
                recorded_at=decided_at,
                org_id=request.org_id,
                template_id=template_id,
                enrolment_id=request.enrolment_id,
                person_id=request.person_id,
                embedding=verdict.embedding.astype(_FLOAT32_LE).tobytes(),
                embedding_encoding=EmbeddingEncoding.FLOAT32_LE,
                dimensions=len(verdict.embedding),
                model_name=result.model.name,
                model_version=result.model.version,
                source_sha256=photo.sha256,
                detection_score=verdict.face.detection_score,
                face_size_px=verdict.face.face_size_px,
                sharpness=verdict.face.sharpness,
            )
        )
    return made


def enrolment_decided(
    request: EnrolmentRequested,
    result: EnrolmentResult,
    templates: Sequence[TemplateEnrolled],
    *,
    decided_at: datetime,
    decision_round: int = FIRST_ROUND,
    gallery_offsets: tuple[int, ...] = (),
    erased: bool = False,
) -> EnrolmentDecided:
    """Return the verdict on an enrolment; accepted photos name their template.

    erased: the verdict of an erasure, an event of its own beside another one of the same round.
    """
    model = result.model
    return EnrolmentDecided(
        event_id=deterministic_id(
            "EnrolmentDecided",
            request.org_id,
            request.enrolment_id,
            model.name,
            model.version,
            decision_round,
            *(("erased",) if erased else ()),
        ),
        occurred_at=request.occurred_at,
        recorded_at=decided_at,
        org_id=request.org_id,
        enrolment_id=request.enrolment_id,
        person_id=request.person_id,
        outcome=EnrolmentOutcome.ENROLLED if templates else EnrolmentOutcome.REJECTED,
        template_count=len({template.template_id for template in templates}),
        photos=tuple(
            _verdict(request, photo, verdict, result.model)
            for photo, verdict in zip(request.photos, result.photos, strict=True)
        ),
        model_name=model.name,
        model_version=model.version,
        decision_round=decision_round,
        gallery_offsets=gallery_offsets,
        erased=erased,
    )


def template_of(event: TemplateEnrolled) -> Template:
    """Return the gallery's template of an event that is readable.

    Raises:
        ValueError: it is sealed, or the bytes are not `dimensions` float32.
    """
    if event.embedding_encoding is not EmbeddingEncoding.FLOAT32_LE:
        raise ValueError(
            f"template {event.template_id} is encoded as {event.embedding_encoding}: open it first"
        )
    if len(event.embedding) % _FLOAT32_LE.itemsize:
        raise ValueError(
            f"template {event.template_id} has {len(event.embedding)} bytes, which are no float32"
        )
    embedding: Vector = np.frombuffer(event.embedding, dtype=_FLOAT32_LE)
    if len(embedding) != event.dimensions:
        raise ValueError(
            f"template {event.template_id} has {len(embedding)} numbers, it says {event.dimensions}"
        )
    return Template(
        org_id=OrgId(event.org_id),
        person_id=PersonId(event.person_id),
        template_id=TemplateId(str(event.template_id)),
        model=ModelId(event.model_name, event.model_version),
        embedding=embedding,
    )


def template_for_model(
    source: TemplateEnrolled, embedding: Vector, face: FaceUsed, model: ModelId, *, decided_at: datetime
) -> TemplateEnrolled:
    """Return the template of the same photo for another model; the id is that of a live enrolment."""
    template_id = template_id_of(source.org_id, source.enrolment_id, source.source_sha256, model)
    return TemplateEnrolled(
        event_id=template_id,
        occurred_at=source.occurred_at,
        recorded_at=decided_at,
        org_id=source.org_id,
        template_id=template_id,
        enrolment_id=source.enrolment_id,
        person_id=source.person_id,
        embedding=embedding.astype(_FLOAT32_LE).tobytes(),
        embedding_encoding=EmbeddingEncoding.FLOAT32_LE,
        dimensions=len(embedding),
        model_name=model.name,
        model_version=model.version,
        source_sha256=source.source_sha256,
        detection_score=face.detection_score,
        face_size_px=face.face_size_px,
        sharpness=face.sharpness,
    )


def template_id_of(org_id: str, enrolment_id: UUID, source_sha256: str, model: ModelId) -> UUID:
    """Return the id of the template that a photo of an enrolment gives with a model."""
    return deterministic_id(
        "TemplateEnrolled", org_id, enrolment_id, source_sha256, model.name, model.version
    )


def _template_id(request: EnrolmentRequested, photo: ImageReference, model: ModelId) -> UUID:
    return template_id_of(request.org_id, request.enrolment_id, photo.sha256, model)


def _verdict(
    request: EnrolmentRequested, photo: ImageReference, verdict: PhotoResult, model: ModelId
) -> PhotoVerdict:
    return PhotoVerdict(
        sha256=photo.sha256,
        accepted=verdict.accepted,
        template_id=_template_id(request, photo, model) if verdict.accepted else None,
        reasons=verdict.reasons,
        looks_like=verdict.looks_like,
        warnings=verdict.warnings,
    )


def _face_box(face: FaceUsed) -> FaceBox:
    box = face.box
    return FaceBox(
        x=box.left, y=box.top, width=box.width, height=box.height, detection_score=face.detection_score
    )

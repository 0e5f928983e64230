from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from attendance_schemas.codec import encode_body
from attendance_schemas.events import (
    CaptureReceived,
    EnrolmentOutcome,
    EnrolmentRequested,
    MatchDecided,
    TemplateEnrolled,
)
from attendance_schemas.golden import golden_examples
from recognition_worker.adapters.topics.sealed_templates import opened
from recognition_worker.domain.decision import Decision, Outcome
from recognition_worker.domain.face import Box
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId, SiteId
from recognition_worker.domain.person_keys import KeyId
from recognition_worker.recognition import event_mapping as mapping
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult, FaceUsed, PhotoResult
from service_kit.state.envelope import DataKey

MODEL = ModelId("Paint", "1")
HOMES = {Person(OrgId("acme"), PersonId("ada")): SiteId("pune")}
DECIDED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FACE = FaceUsed(Box(1.0, 2.0, 30.0, 40.0), 0.9, 30.0, 55.0)
CAPTURES = [pytest.param(event, id=name) for name, event, _ in golden_examples(CaptureReceived)]
REQUESTS = [pytest.param(event, id=name) for name, event, _ in golden_examples(EnrolmentRequested)]
TEMPLATES = [pytest.param(event, id=name) for name, event, _ in golden_examples(TemplateEnrolled)]


def identified() -> CaptureResult:
    decision = Decision(Outcome.IDENTIFIED, PersonId("ada"), 0.8, PersonId("bob"), 0.2, 0.5, 0.05)
    return CaptureResult(
        Outcome.IDENTIFIED, MODEL, 12, decision, FACE, 2, (), ("a second face",), {"detect": 2.71828}
    )


def decided(capture: CaptureReceived, result: CaptureResult) -> MatchDecided:
    return mapping.match_decided(
        capture, result, decided_at=DECIDED_AT, timings_ms={"fetch": 1.0}, home_of=HOMES.get
    )


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_golden_capture_becomes_a_match_that_fits_its_schema(capture: CaptureReceived) -> None:
    match = decided(capture, identified())
    encode_body(match)
    for name in ("occurred_at", "org_id", "capture_id", "device_id", "site_id", "device_sequence", "image"):
        assert getattr(match, name) == getattr(capture, name)
    for name in ("time_trust", "direction", "claimed_badge"):
        assert getattr(match, name) == getattr(capture, name)
    assert match.received_at == capture.recorded_at
    assert (match.recorded_at, match.person_id, match.score) == (DECIDED_AT, "ada", 0.8)
    assert (match.threshold, match.margin, match.gallery_size) == (0.5, 0.05, 12)
    assert match.timings_ms == {"fetch": 1.0, "detect": 2.718}
    assert match.face is not None
    assert match.reasons == ("a second face",)
    assert match.person_home_site_id == "pune"


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_repetition_is_the_same_event(capture: CaptureReceived) -> None:
    again = mapping.match_decided(
        capture, identified(), decided_at=datetime.now(UTC), timings_ms={}, home_of=HOMES.get
    )
    assert decided(capture, identified()).event_id == again.event_id
    rounds = [
        mapping.match_decided(
            capture,
            identified(),
            decided_at=DECIDED_AT,
            timings_ms={},
            home_of=HOMES.get,
            decision_round=number,
            gallery_offsets=(7, 0, 3),
        )
        for number in (0, 1, 2)
    ]
    assert [each.decision_round for each in rounds] == [0, 1, 2]
    assert {each.gallery_offsets for each in rounds} == {(7, 0, 3)}
    assert rounds[0].event_id == again.event_id
    assert len({each.event_id for each in rounds}) == len(rounds)
    other_model = CaptureResult(Outcome.NO_FACE, ModelId("Paint", "2"))
    assert decided(capture, other_model).event_id != again.event_id


@pytest.mark.parametrize("outcome", [Outcome.NO_FACE, Outcome.POOR_QUALITY])
def test_without_a_comparison_there_is_no_score(outcome: Outcome) -> None:
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    assert isinstance(capture, CaptureReceived)
    match = decided(capture, CaptureResult(outcome, MODEL, reasons=("look into the camera",)))
    assert (match.outcome.value, match.person_id, match.score, match.face) == (
        outcome.value,
        None,
        None,
        None,
    )
    encode_body(match)


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_enrolment_gives_a_template_per_accepted_photo(request_: EnrolmentRequested) -> None:
    unit = np.array([0.6, 0.8], np.float32)
    verdicts = [PhotoResult(accepted=True, embedding=unit, face=FACE)]
    verdicts += [PhotoResult(accepted=False, reasons=("too dark",))] * (len(request_.photos) - 1)
    result = EnrolmentResult(MODEL, tuple(verdicts))
    templates = mapping.templates_enrolled(request_, result, decided_at=DECIDED_AT)
    decision = mapping.enrolment_decided(request_, result, templates, decided_at=DECIDED_AT)

    assert [template.source_sha256 for template in templates] == [request_.photos[0].sha256]
    assert decision.outcome is EnrolmentOutcome.ENROLLED
    assert decision.photos[0].template_id == templates[0].template_id
    assert [photo.accepted for photo in decision.photos] == [verdict.accepted for verdict in verdicts]
    again = mapping.templates_enrolled(request_, result, decided_at=datetime.now(UTC))
    assert again[0].template_id == templates[0].template_id
    for event in (*templates, decision):
        encode_body(event)
    stored = mapping.template_of(templates[0])
    np.testing.assert_array_equal(stored.embedding, unit)
    assert stored.model == MODEL


def test_no_accepted_photo_is_a_rejection() -> None:
    request = next(event for _, event, _ in golden_examples(EnrolmentRequested))
    assert isinstance(request, EnrolmentRequested)
    verdicts = tuple(PhotoResult(accepted=False, reasons=("dark",)) for _ in request.photos)
    result = EnrolmentResult(MODEL, verdicts)
    decision = mapping.enrolment_decided(request, result, [], decided_at=DECIDED_AT)
    assert (decision.outcome, decision.template_count) == (EnrolmentOutcome.REJECTED, 0)


def test_the_verdict_of_an_erasure_is_another_event_of_the_same_round() -> None:
    request = next(event for _, event, _ in golden_examples(EnrolmentRequested))
    assert isinstance(request, EnrolmentRequested)
    result = EnrolmentResult(MODEL, (PhotoResult(accepted=False),) * len(request.photos))
    before, after = (
        mapping.enrolment_decided(request, result, [], decided_at=DECIDED_AT, erased=erased)
        for erased in (False, True)
    )
    assert (before.erased, after.erased) == (False, True)
    assert (before.decision_round, after.decision_round) == (0, 0)
    assert before.event_id != after.event_id


def test_lookalikes_and_warnings_are_told() -> None:
    request = next(event for _, event, _ in golden_examples(EnrolmentRequested))
    assert isinstance(request, EnrolmentRequested)
    verdict = PhotoResult(
        accepted=False, reasons=("matches",), looks_like=PersonId("p-7"), warnings=("look at it",)
    )
    result = EnrolmentResult(MODEL, (verdict,) * len(request.photos))
    told = mapping.enrolment_decided(request, result, [], decided_at=DECIDED_AT).photos[0]
    assert (told.looks_like, told.warnings) == ("p-7", ("look at it",))


@pytest.mark.parametrize("event", TEMPLATES)
def test_every_golden_template_is_read(event: TemplateEnrolled) -> None:
    if event.data_key_id is not None:
        with pytest.raises(ValueError, match="open it first"):
            mapping.template_of(event)
        event = opened(event, KeyId(str(event.data_key_id)), DataKey(bytes(range(32))))
    template = mapping.template_of(event)
    assert template.embedding.shape == (event.dimensions,)
    assert template.template_id == str(event.template_id)


def test_an_embedding_of_another_length_is_refused() -> None:
    event = next(event for _, event, _ in golden_examples(TemplateEnrolled))
    assert isinstance(event, TemplateEnrolled)
    with pytest.raises(ValueError, match="it says"):
        mapping.template_of(msgspec.structs.replace(event, dimensions=event.dimensions + 1))


def test_the_same_ids_in_another_organisation_make_other_events() -> None:
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    request = next(event for _, event, _ in golden_examples(EnrolmentRequested))
    assert isinstance(capture, CaptureReceived)
    assert isinstance(request, EnrolmentRequested)
    accepted = PhotoResult(accepted=True, embedding=np.array([0.6, 0.8], np.float32), face=FACE)
    result = EnrolmentResult(MODEL, (accepted,) * len(request.photos))
    ids = set()
    for org_id in ("acme", "globex"):
        theirs = msgspec.structs.replace(request, org_id=org_id)
        templates = mapping.templates_enrolled(theirs, result, decided_at=DECIDED_AT)
        decision = mapping.enrolment_decided(theirs, result, templates, decided_at=DECIDED_AT)
        match = decided(msgspec.structs.replace(capture, org_id=org_id), identified())
        ids |= {match.event_id, decision.event_id, *(template.template_id for template in templates)}
    assert len(ids) == 2 * (2 + len({photo.sha256 for photo in request.photos}))

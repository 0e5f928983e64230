"""A check that suspects a face, through use cases, batch and event; a double stands for the model."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import encode_body
from attendance_schemas.events import CaptureReceived, MatchDecided
from attendance_schemas.events import Outcome as MatchOutcome
from attendance_schemas.golden import golden_examples
from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.adapters.vision.eyes import LIVENESS_CHECKS
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import DetectedFace, Pixels
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import ImageRef, OrgId, PersonId
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.settings import LivenessChoice, Settings

ORG = OrgId("acme")
REASON = "the face is shown on a screen: come yourself"
# In this world of painted faces, the ones at x = 77 are on a screen.
LIVE, SHOWN = b"100,100,200,A", b"77,100,200,A"


@dataclass
class ScreenAt77:
    judged: list[float] = field(default_factory=list)

    def suspicions(self, pixels: Pixels, face: DetectedFace) -> tuple[str, ...]:
        self.judged.append(face.box.left)
        return (REASON,) if face.box.left == 77 else ()


@dataclass
class Images:
    image: bytes

    async def read(self, image: ImageRef, work: Work) -> bytes:
        return self.image


@dataclass
class Matches:
    published: list[MatchDecided] = field(default_factory=list)

    async def publish(self, match: MatchDecided) -> None:
        self.published.append(match)


@pytest.fixture
def check() -> ScreenAt77:
    return ScreenAt77()


@pytest.fixture
def guarded(make_world: Any, check: ScreenAt77) -> Any:
    return make_world(liveness=check).enrolled("A", "B")


def test_a_suspected_face_is_not_compared(guarded: Any) -> None:
    result = guarded.identify(SHOWN, org_id=ORG)
    assert (result.outcome, result.person_id, result.decision) == (Outcome.SUSPECTED_SPOOF, None, None)
    assert result.reasons == (REASON,)
    assert result.face.box.left == 77
    assert set(result.timings_ms) == {"decode", "detect", "align", "quality", "liveness"}
    assert guarded.embedder.batches == [0]


def test_a_live_face_is_compared_and_the_check_is_timed(guarded: Any) -> None:
    result = guarded.identify(LIVE, org_id=ORG)
    assert (result.outcome, result.person_id) == (Outcome.IDENTIFIED, PersonId("A"))
    assert result.timings_ms["liveness"] > 0


def test_only_faces_of_good_quality_are_judged(guarded: Any, check: ScreenAt77) -> None:
    assert guarded.identify(b"77,100,20,A", org_id=ORG).outcome is Outcome.POOR_QUALITY
    assert guarded.identify(b"", org_id=ORG).outcome is Outcome.NO_FACE
    assert check.judged == []


def test_a_suspected_photo_enrols_nobody(guarded: Any) -> None:
    result = guarded.enrol([Photo(SHOWN), Photo(LIVE)], org_id=ORG, person_id=PersonId("A"))
    assert [photo.accepted for photo in result.photos] == [False, True]
    assert result.photos[0].reasons == (REASON,)


@pytest.mark.parametrize("capture", [event for _, event, _ in golden_examples(CaptureReceived)][:1])
async def test_a_suspicion_is_published_as_such_and_counted(guarded: Any, capture: CaptureReceived) -> None:
    metrics, matches = RecognitionMetrics(registry := CollectorRegistry()), Matches()
    async with BatchedInference(guarded.identify, guarded.enrol) as inference:
        decide = DecideCapture(
            Images(SHOWN),
            inference,
            matches,
            metrics,
            scope_of=SitePeople().scope_of,
            home_of=SitePeople().home_of,
            turn_of=CameraTurns().degrees_of,
            decides=lambda _site, _device: guarded.manifest.model,
            knows=dict,
            now=lambda: datetime.now(UTC),
        )
        await decide(capture, Work(Kind.LIVE, datetime.now(UTC)))
    (match,) = matches.published
    assert (match.outcome, match.person_id, match.score) == (MatchOutcome.SUSPECTED_SPOOF, None, None)
    assert match.reasons == (REASON,)
    assert match.face is not None
    assert match.image == capture.image
    encode_body(match)
    labels = {"outcome": "SUSPECTED_SPOOF"}
    assert registry.get_sample_value("recognition_captures_total", labels) == 1
    assert registry.get_sample_value("recognition_stage_seconds_count", {"stage": "liveness"}) == 1


def test_every_setting_has_a_check_and_none_is_the_default() -> None:
    assert set(LIVENESS_CHECKS) == set(LivenessChoice)
    assert Settings.model_fields["liveness"].default is LivenessChoice.OFF

"""What becomes of the captures of a camera that hangs on its head or side."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from attendance_schemas.events import CaptureReceived, MatchDecided
from attendance_schemas.golden import golden_examples
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import Box
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import Device, DeviceId, ImageRef, ModelId, OrgId
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult, FaceUsed
from recognition_worker.recognition.turned_cameras import TOLD_AFTER

CAPTURE = next(
    event for _, event, _ in golden_examples(CaptureReceived) if isinstance(event, CaptureReceived)
)
CAMERA = Device(OrgId(CAPTURE.org_id), DeviceId(CAPTURE.device_id))
MODEL = ModelId("Paint", "1")


@dataclass
class Gate:
    """A device and the worker's ports behind it."""

    cameras: CameraTurns = field(default_factory=CameraTurns)
    found_turned_by: int | None = None
    orientations: list[int] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    published: list[MatchDecided] = field(default_factory=list)

    def __post_init__(self) -> None:
        people = SitePeople()
        self.decide_capture = DecideCapture(
            self,
            self,
            self,
            RecognitionMetrics(self.registry),
            scope_of=people.scope_of,
            home_of=people.home_of,
            turn_of=self.cameras.degrees_of,
            decides=lambda _site, _device: MODEL,
            knows=dict,
            now=lambda: datetime.now(UTC),
        )

    async def read(self, image: ImageRef, work: Work) -> bytes:
        return b""

    async def identify(self, image: bytes, *, orientation: int, **_: object) -> CaptureResult:
        self.orientations.append(orientation)
        if self.found_turned_by is None:
            return CaptureResult(Outcome.NO_FACE, MODEL)
        face = FaceUsed(Box(0, 0, 9, 9), 0.93, 9.0, 50.0, self.found_turned_by)
        return CaptureResult(Outcome.UNKNOWN, MODEL, face=face, reasons=("resembles nobody",))

    async def enrol(self, photos: object, **_: object) -> EnrolmentResult:
        raise AssertionError("nobody enrols here")

    async def publish(self, match: MatchDecided) -> None:
        self.published.append(match)

    async def publish_shadow(self, match: MatchDecided) -> None:
        raise AssertionError("there is one model")

    def turned(self, degrees: int) -> float:
        labels = {"degrees": str(degrees)}
        return self.registry.get_sample_value("recognition_turned_captures_total", labels) or 0.0

    async def capture(self, orientation: int = 1) -> MatchDecided:
        image = msgspec.structs.replace(CAPTURE.image, orientation=orientation)
        capture = msgspec.structs.replace(CAPTURE, image=image)
        return await self.decide_capture(capture, Work(Kind.LIVE, datetime.now(UTC)))


@pytest.mark.parametrize(
    ("recorded", "of_the_file", "expected"), [(0, 6, 6), (180, 1, 3), (90, 6, 3), (270, 3, 6)]
)
async def test_images_are_turned_by_what_the_file_and_the_directory_say(
    recorded: int, of_the_file: int, expected: int
) -> None:
    gate = Gate()
    gate.cameras.record(CAMERA, recorded)
    gate.cameras.record(Device(OrgId("globex"), CAMERA.device_id), 90)
    await gate.capture(of_the_file)
    assert gate.orientations == [expected]


@pytest.mark.parametrize(("recorded", "needed"), [(0, 180), (90, 270), (180, 0), (270, 90)])
async def test_a_decision_names_the_setting_that_its_camera_needs(recorded: int, needed: int) -> None:
    gate = Gate(found_turned_by=180)
    gate.cameras.record(CAMERA, recorded)
    decided = await gate.capture()
    assert decided.reasons[0] == "resembles nobody"
    assert "turned by 180 degrees" in decided.reasons[1]
    assert decided.reasons[1].endswith(f"set image_turn_degrees of device {CAMERA.device_id} to {needed}")
    assert (gate.turned(180), gate.turned(90)) == (1, 0)


@pytest.mark.parametrize("found_turned_by", [None, 0])
async def test_an_upright_image_and_one_without_a_face_say_nothing_of_the_camera(
    found_turned_by: int | None,
) -> None:
    gate = Gate(found_turned_by=found_turned_by)
    assert not any("image_turn_degrees" in reason for reason in (await gate.capture()).reasons)
    assert gate.registry.get_sample_value("recognition_turned_captures_total", {"degrees": "180"}) is None


async def test_a_turned_camera_is_logged_once_and_without_a_person() -> None:
    gate = Gate(found_turned_by=180)
    with capture_logs() as logged:
        for _ in range(TOLD_AFTER - 1):
            await gate.capture()
        gate.found_turned_by = None
        await gate.capture()  # an empty image says nothing against it
        assert logged == []
        gate.found_turned_by = 180
        for _ in range(5):
            await gate.capture()
    (told,) = logged
    assert told.pop("event").startswith("a camera is turned")
    assert told == {
        "log_level": "warning",
        "org_id": CAMERA.org_id,
        "device_id": CAMERA.device_id,
        "image_turn_degrees": 180,
        "captures": TOLD_AFTER,
    }


async def test_a_person_who_bends_down_now_and_then_makes_no_turned_camera() -> None:
    gate = Gate()
    with capture_logs() as logged:
        for _ in range(4):
            for degrees in (90, 90, 270, 0):
                gate.found_turned_by = degrees
                await gate.capture()
    assert logged == []
    assert (gate.turned(90), gate.turned(270)) == (8, 4)

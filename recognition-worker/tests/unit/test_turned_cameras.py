"""What becomes of the captures of a camera that hangs on its head or side."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.events import CaptureReceived, MatchDecided
from attendance_schemas.golden import golden_examples
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import Device, DeviceId, ImageRef, ModelId, OrgId
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult

CAPTURE = next(
    event for _, event, _ in golden_examples(CaptureReceived) if isinstance(event, CaptureReceived)
)
CAMERA = Device(OrgId(CAPTURE.org_id), DeviceId(CAPTURE.device_id))
MODEL = ModelId("Paint", "1")


@dataclass
class Gate:
    """A device and the worker's ports behind it."""

    cameras: CameraTurns = field(default_factory=CameraTurns)
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
        return CaptureResult(Outcome.NO_FACE, MODEL)

    async def enrol(self, photos: object, **_: object) -> EnrolmentResult:
        raise AssertionError("nobody enrols here")

    async def publish(self, match: MatchDecided) -> None:
        self.published.append(match)

    async def publish_shadow(self, match: MatchDecided) -> None:
        raise AssertionError("there is one model")

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

"""An image is turned only when its own face is in doubt, and only to a face that is surer."""

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pytest

from recognition_worker.adapters.vision.opencv_vision import turned
from recognition_worker.domain.alignment import LANDMARKS_112
from recognition_worker.domain.face import Box, DecodedImage, DetectedFace, Pixels
from recognition_worker.domain.quality import NO_LIMITS
from recognition_worker.domain.turned_images import QUARTER_TURNS, turned_back
from recognition_worker.recognition.recognise import FaceAnalyser, FaceProbe, NoFace
from recognition_worker.recognition.straighten_faces import FaceStraightener
from recognition_worker.recognition.turned_looks import TurnedLooks

UPRIGHT = {1: 0, 6: 90, 3: 180, 8: 270}
MIDDLE = Box(264, 184, 112, 112)


@dataclass
class Scene:
    """A camera, and a detector that is as sure as `sure` of the scene turned by 0, 90, 180 and 270 degrees.

    The pixels carry the turn. again: what a second decode makes of the image. The face is in the middle, and
    turned_box is where the turned looks see theirs.
    """

    sure: tuple[float, float, float, float]
    again: float | None = None
    turned_box: Box = MIDDLE
    turns: list[int] = field(default_factory=list)
    decoded: list[int] = field(default_factory=list)

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        self.decoded.append(orientation)
        return DecodedImage(np.full((480, 640, 3), UPRIGHT[orientation] // 90, np.uint8))

    def turn(self, pixels: Pixels, degrees: int) -> Pixels:
        self.turns.append(degrees)
        return (pixels + degrees // 90) % 4

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        sure = self.sure[pixels[0, 0, 0]]
        if len(self.decoded) > 1 and self.again is not None:
            sure = self.again
        # The first look is always as sure as can be: what counts is the close one.
        box = self.turned_box if pixels[0, 0, 0] else MIDDLE
        points = (LANDMARKS_112 * box.width / 112 + (box.left, box.top)).astype(np.float32)
        return (DetectedFace(box, points, 0.6 + sure / 1000),) if sure else ()

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        return DetectedFace(face.box, face.landmarks, round((face.confidence - 0.6) * 1000, 6))

    def crop(self, pixels: Pixels, transform: object, size: int) -> Pixels:
        return np.zeros((size, size, 3), np.uint8)

    def analysed(self) -> FaceProbe | NoFace:
        analyser = FaceAnalyser(self, self, self, lambda: 0.0, turned=TurnedLooks(self, self.turn))
        found = analyser.analyse(b"", NO_LIMITS)
        assert isinstance(found, FaceProbe | NoFace)
        return found

    def turned_by(self) -> int | None:
        found = self.analysed()
        return found.face.turned_degrees if isinstance(found, FaceProbe) else None


def test_a_clear_face_costs_no_other_look() -> None:
    scene = Scene((0.9, 0.95, 0.95, 0.95))
    assert scene.turned_by() == 0
    assert (scene.turns, scene.decoded) == ([], [1])


@pytest.mark.parametrize("degrees", QUARTER_TURNS[1:])
@pytest.mark.parametrize("upright", [0.0, 0.89])
def test_the_surest_turn_is_taken(upright: float, degrees: int) -> None:
    sure = [0.7, 0.7, 0.7, 0.7]
    sure[0], sure[degrees // 90] = upright, 0.93
    scene = Scene((sure[0], sure[1], sure[2], sure[3]))
    found = scene.analysed()
    assert isinstance(found, FaceProbe)
    assert (found.face.turned_degrees, found.face.detection_score) == (degrees, 0.93)
    assert (found.face_count, found.rival_count) == (1, 0)
    assert sorted(scene.turns) == [90, 180, 270]
    assert [UPRIGHT[orientation] for orientation in scene.decoded] == [0, degrees]


@pytest.mark.parametrize(
    ("sure", "turned_by"),
    [
        ((0.85, 0.0, 0.86, 0.8), 0),  # a masked face: hardly surer is not surer
        ((0.0, 0.0, 0.79, 0.7), None),  # something that is no face
        ((0.0, 0.0, 0.0, 0.0), None),
        ((0.65, 0.7, 0.79, 0.6), 0),
    ],
)
def test_a_doubtful_turn_changes_nothing(
    sure: tuple[float, float, float, float], turned_by: int | None
) -> None:
    scene = Scene(sure)
    assert scene.turned_by() == turned_by
    assert scene.decoded == [1]


def test_a_turn_that_the_second_look_does_not_bear_out_changes_nothing() -> None:
    assert Scene((0.7, 0.0, 0.9, 0.0), again=0.65).turned_by() == 0
    assert Scene((0.0, 0.0, 0.9, 0.0), again=0.0).turned_by() is None


def test_a_turn_that_straightening_does_not_bear_out_changes_nothing() -> None:
    """A golfer who looks up sideways, an arm before his chin, seems to stand on his head."""

    class Doubting:
        def straighten(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
            return replace(face, confidence=face.confidence - pixels[0, 0, 0] / 10)

    scene = Scene((0.85, 0.0, 0.88, 0.0))
    straightener = cast(FaceStraightener, Doubting())
    looks = TurnedLooks(scene, scene.turn)
    analyser = FaceAnalyser(scene, scene, scene, lambda: 0.0, straightener=straightener, turned=looks)
    found = analyser.analyse(b"", NO_LIMITS)
    assert isinstance(found, FaceProbe)
    assert (found.face.turned_degrees, found.face.detection_score) == (0, 0.85)


def test_who_does_not_look_again_finds_what_is_there() -> None:
    scene = Scene((0.7, 0.95, 0.95, 0.95))
    found = FaceAnalyser(scene, scene, scene, lambda: 0.0).analyse(b"", NO_LIMITS)
    assert isinstance(found, FaceProbe)
    assert found.face.turned_degrees == 0


@pytest.mark.parametrize(
    ("box", "degrees", "turned_by", "rivals"),
    [
        (Box(0, 0, 60, 60), 90, 0, 0),  # a picture that lies beside somebody with a mask
        (Box(0, 0, 112, 112), 180, 0, 1),
        (Box(0, 0, 150, 150), 270, 270, 1),
        (Box(0, 0, 300, 300), 90, 90, 0),  # what was seen upright is a spot on the wall
    ],
)
def test_another_face_that_stands_turned_does_not_take_the_place_of_a_doubtful_one(
    box: Box, degrees: int, turned_by: int, rivals: int
) -> None:
    sure = [0.85, 0.0, 0.0, 0.0]
    sure[degrees // 90] = 0.95
    found = Scene((sure[0], sure[1], sure[2], sure[3]), turned_box=box).analysed()
    assert isinstance(found, FaceProbe)
    assert (found.face.turned_degrees, found.rival_count, found.face_count) == (turned_by, rivals, 2)


@pytest.mark.parametrize("degrees", QUARTER_TURNS)
def test_a_place_in_a_turned_image_is_found_in_the_image_as_it_was(degrees: int) -> None:
    pixels = np.zeros((40, 60, 1), np.uint8)
    pixels[5, 50] = 1
    seen = turned(pixels, degrees) if degrees else pixels
    y, x = np.argwhere(seen.reshape(seen.shape[:2]))[0]
    height, width = seen.shape[:2]
    found = turned_back((x + 0.5) / width, (y + 0.5) / height, degrees)
    assert found == pytest.approx((50.5 / 60, 5.5 / 40))

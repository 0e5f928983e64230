from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.identify_capture import AnalysedCapture
from recognition_worker.recognition.recognise import FaceProbe
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.rollout.side_by_side import SideBySide

SECOND = ModelId("Brush", "2")
ORG = OrgId("acme")
DIMENSIONS = 256


@dataclass
class BrushEmbedder:
    """Tells people apart by the same painted letter, in crops of its own size; may break."""

    broken: bool = False
    sizes: tuple[int, ...] = ()

    @property
    def model(self) -> ModelId:
        return SECOND

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        if self.broken:
            raise RuntimeError("out of paint")
        self.sizes += tuple(crop.shape[0] for crop in crops)
        made = np.zeros((len(crops), DIMENSIONS), np.float32)
        for row, crop in zip(made, crops, strict=True):
            row[crop[0, 0, 0]] = 1.0
        return made


class Both:
    def __init__(self, world) -> None:
        from_world = world.identify._manifest
        second = msgspec.structs.replace(
            from_world, name=SECOND.name, version=SECOND.version, input_size=150, landmark_layout="dlib"
        )
        self.world, self.brush, self.failures = world, BrushEmbedder(), []
        self.first = Lane.over(world.analyser, world.embedder, world.gallery, from_world, world.clock)
        gallery = InMemoryGallery(SECOND, DIMENSIONS)
        self.second = Lane.over(world.analyser, self.brush, gallery, second, world.clock)
        self.side = SideBySide(lambda model, failure: self.failures.append((model, str(failure))))
        self.side.use([self.first, self.second])

    def enrol(self, person: str, letter: str) -> None:
        embedding = np.zeros(DIMENSIONS, np.float32)
        embedding[ord(letter)] = 1.0
        self.second.gallery.add(Template(ORG, PersonId(person), TemplateId("t"), SECOND, embedding))

    def decide(self, image: bytes):
        return self.side.decide([AnalysedCapture(ORG, self.side.analyse(image))])[0]


@pytest.fixture
def both(world) -> Both:
    return Both(world.enrolled("A"))


def test_each_model_answers_from_its_own_crop_and_gallery(both: Both) -> None:
    both.enrol("somebody-else", "A")
    result = both.decide(b"100,100,120,A")
    assert (result.outcome, result.person_id) == (Outcome.IDENTIFIED, "A")
    [other] = result.others
    assert (other.model, other.person_id) == (SECOND, "somebody-else")
    assert both.brush.sizes == (150,)
    assert both.world.detector.thorough == [False]  # one detection for both


def test_models_with_one_position_share_the_crop(both: Both) -> None:
    probe = both.side.analyse(b"100,100,120,A")
    assert isinstance(probe, FaceProbe)
    assert set(probe.other_crops) == {both.second.layout}
    assert probe.seen_by(both.first.layout) is probe


def test_no_face_is_no_face_for_both(both: Both) -> None:
    result = both.decide(b"")
    assert [one.outcome for one in (result, *result.others)] == [Outcome.NO_FACE] * 2


def test_swapping_the_lanes_swaps_who_decides(both: Both) -> None:
    both.enrol("A", "A")
    in_hand = both.side.analyse(b"100,100,120,A")
    both.side.use([both.second, both.first])
    result = both.side.decide([AnalysedCapture(ORG, in_hand)])[0]
    assert (result.model, result.others[0].model) == (SECOND, both.world.embedder.model)
    assert both.side.models[0] == SECOND


def test_a_capture_analysed_before_a_lane_came_is_decided_without_it(both: Both) -> None:
    both.side.use([both.first])
    in_hand = both.side.analyse(b"100,100,120,A")
    both.side.use([both.first, both.second])
    result = both.side.decide([AnalysedCapture(ORG, in_hand)])[0]
    assert (result.person_id, result.others) == ("A", ())


def test_a_candidate_that_breaks_is_left_out_and_costs_no_decision(both: Both) -> None:
    both.brush.broken = True
    result = both.decide(b"100,100,120,A")
    assert (result.outcome, result.others) == (Outcome.IDENTIFIED, ())
    assert both.failures == [(SECOND, "out of paint")]
    assert both.side.models == (both.world.embedder.model,)
    both.decide(b"100,100,120,A")
    assert len(both.failures) == 1


def test_the_deciding_model_that_breaks_is_a_bug(both: Both) -> None:
    both.brush.broken = True
    both.side.use([both.second, both.first])
    with pytest.raises(RuntimeError, match="out of paint"):
        both.decide(b"100,100,120,A")


def test_an_enrolment_makes_templates_for_every_model(both: Both) -> None:
    photos = [Photo(b"100,100,120,B"), Photo(b"100,100,120,B;400,100,110,C")]
    result = both.side.enrol(photos, org_id=ORG, person_id=PersonId("B"))
    [other] = result.others
    assert [photo.accepted for photo in result.photos] == [True, False]
    assert [photo.accepted for photo in other.photos] == [True, False]
    assert other.model == SECOND


def test_a_photo_that_the_deciding_model_refuses_makes_no_template_of_another(both: Both) -> None:
    # "A" is enrolled with the first model: a lookalike there, nobody for the second.
    result = both.side.enrol([Photo(b"100,100,120,A")], org_id=ORG, person_id=PersonId("Z"))
    assert not result.enrolled
    assert [photo.embedding for photo in result.others[0].photos] == [None]


def test_a_candidate_that_breaks_costs_no_enrolment(both: Both) -> None:
    both.brush.broken = True
    result = both.side.enrol([Photo(b"100,100,120,B")], org_id=ORG, person_id=PersonId("B"))
    assert result.enrolled
    assert result.others == ()

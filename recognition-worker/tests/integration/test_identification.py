"""The whole of recognition, from bytes to outcome, on photos of real people."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.vision.eyes import open_eyes
from recognition_worker.adapters.vision.opencv_vision import turned
from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.domain.face import Pixels
from recognition_worker.domain.identity import OrgId
from recognition_worker.domain.quality import MATCH_LIMITS
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.domain.turned_images import QUARTER_TURNS
from recognition_worker.evaluation.adapters.evaluated_pipelines import worker_pipeline
from recognition_worker.evaluation.adapters.photo_folders import read_people
from recognition_worker.evaluation.evaluate_model import EvaluateModel, PersonPhotos
from recognition_worker.evaluation.measured import Attempt
from recognition_worker.recognition.enrol_person import TURNED_WARNING, EnrolPerson, Photo
from recognition_worker.recognition.recognise import FaceAnalyser, FaceProbe
from recognition_worker.settings import EmbedderChoice


def test_enrolled_people_are_found_and_strangers_are_not(model_files: ModelFiles, faces_dir: Path) -> None:
    pipeline = worker_pipeline(model_files.deepface_home, gate=True)
    people = read_people(faces_dir / "known")[::3]
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    measured = evaluate(people, read_people(faces_dir / "unknown")[:40], enrol_count=2)
    thresholds = pipeline.manifest.thresholds(len(measured.enrolled))

    def identified_as(attempt: Attempt) -> str | None:
        decision = decide(attempt.best, thresholds)
        return decision.person_id if decision.outcome is Outcome.IDENTIFIED else None

    found = [(attempt.person_id, identified_as(attempt)) for attempt in measured.probes]
    assert len(measured.enrolled) >= 0.95 * len(people)
    assert [pair for pair in found if pair[1] not in (None, pair[0])] == []
    assert sum(who is not None for _, who in found) >= 0.95 * len(found)
    assert [identified_as(attempt) for attempt in measured.strangers] == [None] * 40


def test_a_tilted_head_scores_nearly_like_an_upright_one(model_files: ModelFiles, faces_dir: Path) -> None:
    """The detector alone sees 30 degrees as 13, and the mean score falls from 0.72 to 0.53."""
    pipeline = worker_pipeline(model_files.deepface_home)
    people = [
        PersonPhotos(person.person_id, (*person.photos[:2], partial(tilted, person.photos[2], 30.0)))
        for person in read_people(faces_dir / "known")[::8]
    ]
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    measured = evaluate(people, read_people(faces_dir / "unknown")[:1], enrol_count=2)
    scores = [attempt.mate_score for attempt in measured.probes if attempt.mate_score is not None]
    assert len(scores) == len(people)
    assert sum(scores) / len(scores) > 0.63


@pytest.mark.parametrize("degrees", QUARTER_TURNS[1:])
def test_a_turned_camera_loses_nobody(model_files: ModelFiles, faces_dir: Path, degrees: int) -> None:
    """Without a second look most of these resemble nobody."""
    pipeline = worker_pipeline(model_files.deepface_home)
    for person in read_people(faces_dir / "known")[::10]:
        photo = person.photos[0]()
        upright = pipeline.analyser.analyse(photo, MATCH_LIMITS)
        found = pipeline.analyser.analyse(turned_photo(photo, degrees), MATCH_LIMITS)
        assert isinstance(upright, FaceProbe)
        assert isinstance(found, FaceProbe)
        assert (upright.face.turned_degrees, found.face.turned_degrees) == (0, 360 - degrees)
        np.testing.assert_array_equal(found.crop, upright.crop)


def test_a_picture_that_lies_beside_somebody_is_not_taken_for_them(
    model_files: ModelFiles, faces_dir: Path
) -> None:
    """A mask makes a face doubtful, and half of these pictures, a sixth of its size, were compared then."""
    pipeline = worker_pipeline(model_files.deepface_home)
    people = read_people(faces_dir / "known")[::10]
    masked, compared = 0, 0
    for person, other in zip(people, [*people[1:], people[0]], strict=True):
        scene = beside(with_mask(person.photos[0](), pipeline.analyser), other.photos[0]())
        found = pipeline.analyser.analyse(scene, MATCH_LIMITS)
        masked += isinstance(found, FaceProbe) and found.face.turned_degrees == 0
        compared += isinstance(found, FaceProbe) and found.face.turned_degrees != 0
    assert compared <= 1
    assert masked >= 0.7 * len(people)


def with_mask(photo: bytes, analyser: FaceAnalyser) -> Pixels:
    """Return a photo, enlarged, with a cloth before the lower half of the face."""
    pixels = cv2.resize(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR), None, fx=2.4, fy=2.4)
    found = analyser.analyse(bytes(cv2.imencode(".png", pixels)[1]), MATCH_LIMITS)
    assert isinstance(found, FaceProbe)
    box = found.face.box
    top, bottom = int(box.top + 0.52 * box.height), int(box.top + 1.1 * box.height)
    left, right = int(box.left - 0.05 * box.width), int(box.left + 1.05 * box.width)
    pixels[max(top, 0) : bottom, max(left, 0) : right] = (200, 190, 180)
    return np.asarray(pixels, np.uint8)


def beside(pixels: Pixels, photo: bytes) -> bytes:
    """Return an image with a photo that lies on its side to the right of it."""
    lying = turned(np.asarray(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR), np.uint8), 90)
    height, width = pixels.shape[:2]
    scene = np.full((height, width + lying.shape[1], 3), 128, np.uint8)
    scene[:, :width] = pixels
    scene[: lying.shape[0], width:] = lying
    return bytes(cv2.imencode(".png", scene)[1])


def test_a_photo_that_stands_on_its_head_enrols_as_the_upright_one(
    model_files: ModelFiles, vision: Any, faces_dir: Path
) -> None:
    """Without a second look two of three become a template of nobody."""
    gallery = InMemoryGallery(model_files.manifest.model, model_files.manifest.dimensions)
    eyes = open_eyes(model_files.yunet_file, EmbedderChoice.DEEPFACE)
    enrol = EnrolPerson(eyes, vision.embedder, gallery, model_files.manifest, time.perf_counter)
    for person in read_people(faces_dir / "known")[::40]:
        photo = person.photos[0]()
        photos = [Photo(photo), Photo(turned_photo(photo, 180))]
        upright, turned = enrol(photos, org_id=OrgId("acme"), person_id=person.person_id).photos
        assert turned.accepted == upright.accepted
        if upright.embedding is not None and turned.embedding is not None:
            np.testing.assert_array_equal(turned.embedding, upright.embedding)
            assert (upright.warnings, turned.warnings) == ((), (TURNED_WARNING,))


def turned_photo(photo: bytes, degrees: int) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".png", turned(np.asarray(pixels, np.uint8), degrees))[1])


def tilted(read: Callable[[], bytes], degrees: float) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(read(), np.uint8), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return bytes(cv2.imencode(".png", cv2.warpAffine(pixels, turn, (width, height)))[1])

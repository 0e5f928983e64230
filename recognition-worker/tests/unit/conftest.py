"""A world of painted faces: each "image" is text, `x,y,size,person` per face, separated by semicolons."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from recognition_worker.domain.alignment import LANDMARKS_112, Similarity
from recognition_worker.domain.face import Box, DecodedImage, DetectedFace, Pixels, Vector
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.model_manifest import ModelManifest, SourceFile
from recognition_worker.domain.operating_point import OperatingPoint
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.enrol_person import EnrolPerson
from recognition_worker.recognition.identify_capture import IdentifyCapture
from recognition_worker.recognition.ports import LivenessCheck
from recognition_worker.recognition.recognise import FaceAnalyser

MODEL = ModelId("Paint", "1")
ORG = OrgId("acme")
DIMENSIONS = 256
WIDTH, HEIGHT = 640, 480


class PaintDecoder:
    """Reads the text; the pixels carry it on, one byte per blue value of the first row."""

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        if data.startswith(b"broken"):
            raise UndecodableImage("the image is damaged: paint spilled")
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[0, : len(data), 0] = np.frombuffer(data, np.uint8)
        return DecodedImage(pixels, reduction=2 if orientation == 6 else 1)


def painted(pixels: Pixels) -> list[tuple[float, float, float, int]]:
    text = bytes(pixels[0, :, 0]).rstrip(b"\0").decode()
    faces = [face.split(",") for face in text.split(";") if face]
    return [(float(x), float(y), float(size), ord(person)) for x, y, size, person in faces]


class PaintDetector:
    def __init__(self) -> None:
        self.thorough: list[bool] = []

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        self.thorough.append(thorough)
        return tuple(
            DetectedFace(
                Box(x, y, size, size),
                # A face of size 0 is a detector's mistake: all landmarks in one point.
                (LANDMARKS_112 / 112 * size + [x, y]).astype(np.float32),
                0.95,
            )
            for x, y, size, _ in painted(pixels)
        )

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        return face


class PaintCropper:
    """Finds the painted face by its place; a checked pattern, so that it is sharp and well lit."""

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        found = min(painted(pixels), key=lambda face: abs(transform.apply(np.array([face[:2]]))).sum())
        board = np.indices((size, size)).sum(axis=0) % 2 * 40 + 100
        crop = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
        crop[0, 0, 0] = found[3]
        return crop


@dataclass
class PaintEmbedder:
    """Each person has their own axis; a lower-case letter is half the capital one."""

    model: ModelId = MODEL
    batches: list[int] = field(default_factory=list)

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        self.batches.append(len(crops))
        return np.array([paint_embedding(chr(crop[0, 0, 0])) for crop in crops], np.float32).reshape(
            len(crops), DIMENSIONS
        )


def paint_embedding(person: str) -> Vector:
    made = np.zeros(DIMENSIONS, np.float32)
    made[ord(person.upper())] = 0.5 if person.islower() else 1.0
    made[ord(person)] += np.sqrt(0.75) if person.islower() else 0.0
    return made


class CountingClock:
    """One millisecond passes with each look."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 0.001
        return self._now


def manifest() -> ModelManifest:
    return ModelManifest(
        name=MODEL.name,
        version=MODEL.version,
        licence="MIT",
        origin="paint",
        sha256="",
        input_size=112,
        dimensions=DIMENSIONS,
        same_person_score=0.3,
        source=SourceFile("paint", "paint", ""),
        operating_points=(OperatingPoint(1000, 0.6, 0.05, 0.4, "invented"),),
        evaluation={},
    )


class PaintWorld:
    def __init__(self, liveness: LivenessCheck | None = None) -> None:
        self.gallery = InMemoryGallery(MODEL, DIMENSIONS)
        self.detector = PaintDetector()
        self.embedder = PaintEmbedder()
        self.clock = clock = CountingClock()
        self.analyser = analyser = FaceAnalyser(
            PaintDecoder(), self.detector, PaintCropper(), clock, liveness=liveness
        )
        self.manifest = manifest()
        self.identify = IdentifyCapture(analyser, self.embedder, self.gallery, self.manifest, clock)
        self.enrol = EnrolPerson(analyser, self.embedder, self.gallery, self.manifest, clock)

    def enrolled(self, *people: str) -> "PaintWorld":
        for person in people:
            template = Template(ORG, PersonId(person), TemplateId("t"), MODEL, paint_embedding(person))
            self.gallery.add(template)
        return self

    def enrolled_as(self, face: str, *people: str) -> "PaintWorld":
        for person in people:
            template = Template(ORG, PersonId(person), TemplateId("t"), MODEL, paint_embedding(face))
            self.gallery.add(template)
        return self


@pytest.fixture
def world() -> PaintWorld:
    return PaintWorld()


@pytest.fixture
def make_world() -> type[PaintWorld]:
    return PaintWorld

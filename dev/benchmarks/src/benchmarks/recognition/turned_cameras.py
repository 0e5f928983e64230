"""What cameras that hang on their side or head cost, and what the worker makes of them.

`python -m benchmarks.recognition.turned_cameras --model-cache DIR --faces DIR`. Photos 1 and 2 of a person
enrol by the production rules; the others, and those of strangers, are captures: as they are, and as faces in
1280 x 720 scenes. Each capture is decided as its camera hangs upright and turned by 90, 180 and 270 degrees,
three ways: without a second look, with it, and with the device's setting. Milliseconds are of the processor.
Exit code 1 when a figure misses what is promised.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.recognition.scenes import FACE_HEIGHTS_PX, Portrait, add_faces, empty_scene, encode, scene
from benchmarks.turns import machine
from recognition_worker.adapters.embedders.embedder_choice import choose, load_embedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.vision.eyes import load_yunet
from recognition_worker.adapters.vision.opencv_vision import OpenCvFaceCropper, OpenCvImageDecoder, turned
from recognition_worker.adapters.vision.yunet_detector import TURNED_LOOKS_PX, YuNetDetector
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.face import Pixels
from recognition_worker.domain.identity import OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.domain.turned_images import QUARTER_TURNS, turned_clockwise
from recognition_worker.evaluation.adapters.photo_folders import read_people
from recognition_worker.recognition.enrol_person import EnrolPerson, Photo
from recognition_worker.recognition.identify_capture import AnalysedCapture, IdentifyCapture
from recognition_worker.recognition.recognise import FaceAnalyser
from recognition_worker.recognition.straighten_faces import FaceStraightener
from recognition_worker.recognition.turned_looks import TurnedLooks
from recognition_worker.settings import EmbedderChoice

ORG = OrgId("benchmark")
ENROLLED = 2
BATCH = 16
FULL_TURN = 360
MS = 1000.0
# What is promised of a turned camera, as a share of what the same camera gives upright.
LEAST_SHARE = 0.95
BEFORE, LOOKS, SETTING = "no second look", "second look", "its setting"


@dataclass(frozen=True, slots=True)
class Capture:
    """An image of one kind, as the camera sends it. person_id: None for a stranger or an empty image."""

    kind: str
    pixels: Pixels
    person_id: PersonId | None

    def of_camera(self, degrees: int) -> bytes:
        """Return the JPEG of a camera that hangs turned; its image has to be turned by degrees."""
        return encode(turned(self.pixels, FULL_TURN - degrees) if degrees else self.pixels)


@dataclass(slots=True)
class Row:
    """What became of the captures of one kind, of a camera that hangs so, in one way.

    looked: how many were looked at turned. turns: by how much faces were found turned.
    """

    captures: int = 0
    strangers: int = 0
    identified: int = 0
    wrong: int = 0
    looked: int = 0
    milliseconds: float = 0.0
    turns: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Row") -> None:
        """Take in more of the same."""
        self.captures += other.captures
        self.strangers += other.strangers
        self.identified += other.identified
        self.wrong += other.wrong
        self.looked += other.looked
        self.milliseconds += other.milliseconds
        self.turns.update(other.turns)

    @property
    def rate(self) -> float:
        """Return the share of known people who were identified."""
        return self.identified / max(1, self.captures - self.strangers)


Rows = Mapping[tuple[str, int, str], Row]


class _CountedTurns:
    """Turns images, and counts those that were."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, pixels: Pixels, degrees: int) -> Pixels:
        self.images += degrees == QUARTER_TURNS[-1]
        return turned(pixels, degrees)


class Ways:
    """The worker without and with its second look, over one gallery."""

    def __init__(self, files: ModelFiles, embedder: EmbedderChoice) -> None:
        loaded = load_embedder(embedder, files)
        self._gallery = InMemoryGallery(files.manifest.model, files.manifest.dimensions)
        cropper, yunet = OpenCvFaceCropper(), load_yunet(files.yunet_file, embedder)
        detector = YuNetDetector(yunet)
        straightener = FaceStraightener(detector, cropper)
        self._turns = _CountedTurns()

        def analyser(turned: TurnedLooks | None) -> FaceAnalyser:
            return FaceAnalyser(
                OpenCvImageDecoder(),
                detector,
                cropper,
                time.perf_counter,
                straightener=straightener,
                turned=turned,
            )

        before, looks = (
            analyser(None),
            analyser(TurnedLooks(YuNetDetector(yunet, TURNED_LOOKS_PX), self._turns)),
        )
        self._enrol = EnrolPerson(looks, loaded, self._gallery, files.manifest, time.perf_counter)
        self._identify = {
            way: IdentifyCapture(eyes, loaded, self._gallery, files.manifest, time.perf_counter)
            for way, eyes in ((BEFORE, before), (LOOKS, looks), (SETTING, looks))
        }

    def enrol(self, person_id: PersonId, photos: Sequence[bytes]) -> bool:
        """Enrol a person; return whether a photo was accepted."""
        result = self._enrol([Photo(photo) for photo in photos], org_id=ORG, person_id=person_id)
        for number, photo in enumerate(result.photos):
            if photo.embedding is not None:
                template_id = TemplateId(f"{person_id}:{number}")
                self._gallery.add(Template(ORG, person_id, template_id, result.model, photo.embedding))
        return result.enrolled

    def decide(self, batch: Sequence[Capture], degrees: int, way: str) -> "Row":
        """Decide captures of a camera whose images have to be turned by degrees."""
        identify = self._identify[way]
        orientation = turned_clockwise(1, degrees) if way == SETTING else 1
        images = [capture.of_camera(degrees) for capture in batch]
        looked = self._turns.images
        begin = time.process_time()
        analysed = [identify.analyse(image, orientation=orientation) for image in images]
        results = identify.decide([AnalysedCapture(ORG, one) for one in analysed])
        row = Row(milliseconds=(time.process_time() - begin) * MS)
        row.looked = self._turns.images - looked
        for capture, result in zip(batch, results, strict=True):
            is_right = result.person_id == capture.person_id
            row.captures += 1
            row.strangers += capture.person_id is None
            row.identified += result.outcome is Outcome.IDENTIFIED and is_right
            row.wrong += result.outcome is Outcome.IDENTIFIED and not is_right
            row.turns.update([result.face.turned_degrees] if result.face else [])
        return row


def captures_of(faces: Path, files: ModelFiles, ways: Ways, people_count: int) -> list[Capture]:
    """Enrol people, and make captures of their other photos, of strangers, and of nobody."""
    known = read_people(faces / "known")[:people_count]
    enrolled = [
        person
        for person in track(known, "enrolling", console=Console(stderr=True), transient=True)
        if ways.enrol(person.person_id, [read() for read in person.photos[:ENROLLED]])
    ]
    photos = [(person.person_id, read) for person in enrolled for read in person.photos[ENROLLED:]]
    strangers = read_people(faces / "unknown")[:people_count]
    everybody = [*photos, *((None, read) for person in strangers for read in person.photos)]
    detector = YuNetDetector(load_yunet(files.yunet_file, EmbedderChoice.DEEPFACE))
    made = []
    for number, (person_id, read) in enumerate(everybody):
        pixels = cv2.imdecode(np.frombuffer(read(), np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            continue
        portrait = np.asarray(pixels, np.uint8)
        made.append(Capture("portraits", portrait, person_id))
        if found := detector.detect(portrait):
            height = FACE_HEIGHTS_PX[number % len(FACE_HEIGHTS_PX)]
            staged = scene(Portrait("", portrait, found[0].box), height, seed=number)
            made.append(Capture("scenes", staged, person_id))
    made += [Capture("nobody", empty_scene(seed), None) for seed in range(people_count // 2)]
    return made


def measure(ways: Ways, captures: Sequence[Capture]) -> Rows:
    """Decide all captures as each camera gives them; the ways take turns.

    First a batch as each camera gives it, since the detector compiles a network for each shape of image.
    """
    rows: dict[tuple[str, int, str], Row] = {}
    for kind in dict.fromkeys(capture.kind for capture in captures):
        own = [capture for capture in captures if capture.kind == kind]
        batches = [own[start : start + BATCH] for start in range(0, len(own), BATCH)]
        for degrees in QUARTER_TURNS:
            ways.decide(batches[0], degrees, LOOKS)
        for degrees in track(QUARTER_TURNS, kind, console=Console(stderr=True), transient=True):
            tried = [way for way in (BEFORE, LOOKS, SETTING) if degrees or way != SETTING]
            rows.update({(kind, degrees, way): Row() for way in tried})
            for batch in batches:
                for way in tried:
                    rows[kind, degrees, way].add(ways.decide(batch, degrees, way))
    return rows


def table(rows: Rows) -> Iterator[str]:
    """Render what was found."""
    yield (
        "| captures | to be turned by | | identified | of upright | wrong | looked at turned | found turned "
        "| ms a capture |"
    )
    yield "|---" * 9 + "|"
    for (kind, degrees, way), row in rows.items():
        upright = rows[kind, 0, BEFORE].rate
        of_turn = ", ".join(f"{count} by {by}" for by, count in sorted(row.turns.items()) if by) or "none"
        identified, share = (f"{row.rate:.1%}", f"{row.rate / upright:.1%}") if upright else ("", "")
        each_ms = row.milliseconds / row.captures
        yield (
            f"| {row.captures} {kind} | {degrees} | {way} | {identified} | {share} | {row.wrong} "
            f"| {row.looked / row.captures:.1%} | {of_turn} | {each_ms:.1f} |"
        )


def missed(rows: Rows) -> Iterator[str]:
    """Say which promises are missed."""
    for (kind, degrees, way), row in rows.items():
        before = rows[kind, 0, BEFORE]
        if row.wrong > before.wrong:
            yield f"{kind} at {degrees}, {way}: {row.wrong} identified wrongly, {before.wrong} upright before"
        if way == LOOKS and not degrees and row.identified != before.identified:
            yield f"{kind} upright: {row.identified} identified, {before.identified} before"
        if way != BEFORE and row.rate < LEAST_SHARE * before.rate:
            yield f"{kind} at {degrees}, {way}: {row.rate:.1%} identified, {before.rate:.1%} upright"


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_faces(parser)
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    parser.add_argument("--people", type=int, default=100, help="people, and strangers (default 100)")
    arguments = parser.parse_args()
    if arguments.faces is None:
        parser.error("several photos of a person are needed: name --faces or FACES_DIR")
    embedder = choose(EmbedderChoice.AUTO)
    files = prepare_models(arguments.model_cache)
    ways = Ways(files, embedder)
    rows = measure(ways, captures_of(arguments.faces, files, ways, arguments.people))
    sys.stdout.write(f"{machine()}; {embedder.value}\n\n")
    for line in table(rows):
        sys.stdout.write(line + "\n")
    misses = list(missed(rows))
    sys.stdout.write("".join(f"missed: {miss}\n" for miss in misses) or "nothing is missed\n")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())

"""How small a face may be for each size that is searched, and what its landmarks are worth afterwards.

`python -m benchmarks.recognition.detection_distance --faces DIR`. Faces of a known height in 1280 x 720
scenes are searched at several widths. A face counts as found when the most prominent box covers it. What it
is worth is the score of its embedding with the mean of the person's other photos.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.recognition.scenes import HEIGHT, WIDTH, Portrait, add_faces, encode, portraits, scene
from recognition_worker.adapters.embedders.openvino_sface_embedder import OpenVinoSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.vision.opencv_vision import (
    DecodingLimits,
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.alignment import CROP_SIZE, fit_similarity
from recognition_worker.domain.face import DetectedFace, Pixels, Vector
from recognition_worker.domain.selection import by_prominence

LOOKS_PX = (160, 200, 240, 320, 640)
HEIGHTS_PX = (24, 32, 40, 48, 64, 96, 112, 128, 144, 160, 200, 280)
# By how much half the pixels would have to be enlarged for a crop.
ENLARGEMENTS = (0.0, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
LEAST_COUNT = 10
_HALF = DecodingLimits(enough_side_px=640)


@dataclass(frozen=True, slots=True)
class Found:
    """One search. score: of the crop from all pixels, None when the face was missed.

    refined: after a close look. halved: as well, with the crop from half the pixels, enlarged by so much.
    """

    look_px: int
    height_px: int
    score: float | None
    refined: float | None = None
    halved: float | None = None
    enlarged: float = 0.0


class Searches:
    """The stages, taken apart."""

    def __init__(self, files: ModelFiles) -> None:
        self.embedder = OpenVinoSFaceEmbedder(files)
        self._cropper = OpenCvFaceCropper()
        self._full, self._half = OpenCvImageDecoder(), OpenCvImageDecoder(_HALF)
        self._native = YuNetDetector(OpenCvYuNet(files.yunet_file))
        self._detectors = {look: YuNetDetector(OpenCvYuNet(files.yunet_file), (look,)) for look in LOOKS_PX}

    def template(self, photos: Sequence[bytes]) -> Vector | None:
        """Return the mean embedding of photos."""
        crops = []
        for photo in photos:
            pixels = self._full.decode(photo).pixels
            crops += [self._crop(pixels, face) for face in self._native.detect(pixels)[:1]]
        if not crops:
            return None
        mean = self.embedder.embed(crops).mean(axis=0)
        unit: Vector = mean / np.linalg.norm(mean)
        return unit

    def search(self, image: bytes, height_px: int, template: Vector) -> Iterator[Found]:
        """Search a scene at each size."""
        full, half = self._full.decode(image).pixels, self._half.decode(image).pixels
        for look, detector in self._detectors.items():
            faces = detector.detect(half)
            chosen = by_prominence(faces, half.shape[1], half.shape[0])[0] if faces else None
            if chosen is None or not _covers(chosen, height_px):
                yield Found(look, height_px, None)
                continue
            refine = detector.refine
            crops = [
                self._crop(full, chosen.scaled(2.0)),
                self._crop(full, refine(full, chosen.scaled(2.0))),
                self._crop(half, refine(half, chosen)),
            ]
            found, refined, halved = (self.embedder.embed(crops) @ template).tolist()
            enlarged = fit_similarity(chosen.landmarks).scale
            yield Found(look, height_px, found, refined, halved, enlarged)

    def _crop(self, pixels: Pixels, face: DetectedFace) -> Pixels:
        return self._cropper.crop(pixels, fit_similarity(face.landmarks), CROP_SIZE)


def _covers(face: DetectedFace, height_px: int) -> bool:
    """Tell whether a box in the half-size scene is the face, which is in its middle."""
    x, y = face.box.centre
    off = max(abs(x - WIDTH / 4), abs(y - HEIGHT / 4)) * 2
    return off < height_px / 2 and height_px / 2 < face.box.height * 2 < height_px * 2


def measure(
    files: ModelFiles, people: Sequence[Portrait], faces: Path, heights: Sequence[int]
) -> list[Found]:
    """Search every person at every height."""
    searches = Searches(files)
    found: list[Found] = []
    for number, person in enumerate(track(people, "searching", console=Console(stderr=True), transient=True)):
        folder = faces / "known" / person.name.split("/")[0]
        template = searches.template([file.read_bytes() for file in sorted(folder.glob("[234].jpg"))])
        if template is not None:
            for height in heights:
                found += searches.search(encode(scene(person, height, seed=number)), height, template)
    return found


FIGURES: dict[str, Callable[[Sequence[Found]], str]] = {
    "faces found": lambda those: f"{np.mean([one.score is not None for one in those]):.1%}",
    "score, landmarks as found": lambda those: _mean([one.score for one in those]),
    "score, after a close look": lambda those: _mean([one.refined for one in those]),
    "the same, crop from half the pixels": lambda those: _mean([one.halved for one in those]),
}


def tables(found: Sequence[Found]) -> Iterator[str]:
    """Render each figure, one row per height and one column per look."""
    for title, figure in FIGURES.items():
        yield f"| {title} | " + " | ".join(f"{look} wide" for look in LOOKS_PX) + " |"
        yield "|---" * (len(LOOKS_PX) + 1) + "|"
        for height in sorted({one.height_px for one in found}):
            cells = [
                figure([one for one in found if (one.look_px, one.height_px) == (look, height)])
                for look in LOOKS_PX
            ]
            yield f"| {height} px | " + " | ".join(cells) + " |"
        yield ""
    yield "| half the pixels enlarged by | searches | score, all pixels | score, half of them | falls by |"
    yield "|---|---|---|---|---|"
    for least, most in pairwise(ENLARGEMENTS):
        pairs = [
            (one.refined, one.halved)
            for one in found
            if one.refined is not None and one.halved is not None and least <= one.enlarged < most
        ]
        if len(pairs) >= LEAST_COUNT:
            yield f"| {least} to {most} | {len(pairs)} | {_loss(np.array(pairs))} |"


def _loss(scores: Vector) -> str:
    """Render mean scores with all and with half the pixels, and the difference with its standard error."""
    (whole, half), falls = scores.mean(axis=0), scores[:, 0] - scores[:, 1]
    return f"{whole:.4f} | {half:.4f} | {falls.mean():+.4f} ± {falls.std() / np.sqrt(len(falls)):.4f}"


def _mean(scores: Sequence[float | None]) -> str:
    there = [score for score in scores if score is not None]
    # A handful of faces says nothing.
    return f"{np.mean(there):.3f}" if len(there) >= LEAST_COUNT else ""


def main() -> int:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_faces(parser)
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    parser.add_argument("--people", type=int, default=100, help="people (default 100)")
    arguments = parser.parse_args()
    if arguments.faces is None:
        parser.error("several photos of a person are needed: name --faces or FACES_DIR")
    files = prepare_models(arguments.model_cache)
    people = portraits(arguments.faces, files.yunet_file, arguments.people, arguments.model_cache)
    for line in tables(measure(files, people, arguments.faces, HEIGHTS_PX)):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

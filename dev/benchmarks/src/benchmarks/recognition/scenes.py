"""What a kiosk's camera sends, made of portraits: 1280 x 720 JPEGs with one face, and a gallery of strangers.

The portrait is scaled until its face has the wanted height and pasted into a hall without faces: soft spots
of light from large to small. Noise as of a small sensor goes over all of it, so that the JPEG is as large
and as slow to decode as a photo.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from attendance_demo.scene.photos import fetch_pictures
from recognition_worker.adapters.vision.opencv_vision import OpenCvYuNet
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.face import Box, Pixels, Vector

WIDTH, HEIGHT = 1280, 720
# From an arm's length to a step away, as the height of the face's box.
FACE_HEIGHTS_PX = (160, 200, 240, 280, 320)
# Spots across the width, and how much they differ.
_SPOTS = ((8, 25.0), (40, 10.0), (200, 5.0))
_NOISE = 3.0
_JPEG_QUALITY = 85
_PACKAGED = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png")


@dataclass(frozen=True, slots=True)
class Portrait:
    """A photo with one face."""

    name: str
    pixels: Pixels
    face: Box


def add_faces(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the photos."""
    faces = os.environ.get("FACES_DIR")
    parser.add_argument(
        "--faces",
        type=Path,
        default=Path(faces) if faces else None,
        help="folder with known/PERSON/N.jpg; by default FACES_DIR, else five portraits out of packages",
    )


def recognition_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark of recognition takes: photos, a model, people."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_faces(parser)
    parser.add_argument("--model-cache", type=Path, required=True, help="where the restored model is kept")
    parser.add_argument("--people", type=int, default=10_000, help="people in the gallery (default 10,000)")
    return parser


def portraits(faces: Path | None, yunet_file: Path, count: int, cache: Path) -> list[Portrait]:
    """Read photos of different people, each with exactly one face at 320 pixels.

    cache: where packaged portraits are kept when no folder of photos is named; there are five.
    """
    detector = YuNetDetector(OpenCvYuNet(yunet_file))
    found: list[Portrait] = []
    for file in _files(faces, cache):
        pixels = cv2.imread(str(file))
        if pixels is None:
            continue
        boxes = detector.detect(np.asarray(pixels, np.uint8))
        if len(boxes) == 1:
            found.append(Portrait(f"{file.parent.name}/{file.stem}", np.asarray(pixels), boxes[0].box))
        if len(found) == count:
            break
    if not found:
        raise SystemExit(f"no photo with one face below {faces or cache}")
    return found


def _files(faces: Path | None, cache: Path) -> Iterator[Path]:
    if faces is None:
        pictures = fetch_pictures(cache)
        yield from (pictures[name] for name in _PACKAGED)
        return
    root = faces / "known" if (faces / "known").is_dir() else faces
    yield from sorted(root.glob("*/1.jpg"))


def scene(portrait: Portrait, face_height_px: float, seed: int) -> Pixels:
    """Make a scene whose face's box has this height; uint8 (720, 1280, 3) BGR."""
    scale = face_height_px / portrait.face.height
    random = np.random.default_rng(seed)
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    person = cv2.resize(portrait.pixels, None, fx=scale, fy=scale, interpolation=how)
    rows, columns = min(person.shape[0], HEIGHT), min(person.shape[1], WIDTH)
    # Around the face when the photo is larger than the scene.
    x, y = (int(value * scale) for value in portrait.face.centre)
    top = int(np.clip(y - rows // 2, 0, person.shape[0] - rows))
    left = int(np.clip(x - columns // 2, 0, person.shape[1] - columns))
    at_row, at_column = (HEIGHT - rows) // 2, (WIDTH - columns) // 2
    whole = _hall(random)
    whole[at_row : at_row + rows, at_column : at_column + columns] = person[
        top : top + rows, left : left + columns
    ]
    return _with_noise(whole, random)


def empty_scene(seed: int) -> Pixels:
    """Make a scene without anybody."""
    random = np.random.default_rng(seed)
    return _with_noise(_hall(random), random)


def _with_noise(whole: Vector, random: np.random.Generator) -> Pixels:
    whole += random.normal(0.0, _NOISE, whole.shape)
    return np.clip(whole, 0, 255).astype(np.uint8)


def _hall(random: np.random.Generator) -> Vector:
    whole = np.full((HEIGHT, WIDTH, 3), 110.0, np.float32)
    for columns, contrast in _SPOTS:
        coarse = random.normal(0.0, contrast, (columns * HEIGHT // WIDTH, columns, 3)).astype(np.float32)
        whole += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return whole


def jpegs(people: Sequence[Portrait], count: int) -> list[bytes]:
    """Make `count` captures, the people and the face heights by turns."""
    made = []
    for number in range(count):
        height = FACE_HEIGHTS_PX[number % len(FACE_HEIGHTS_PX)]
        made.append(encode(scene(people[number % len(people)], height, seed=number)))
    return made


def encode(pixels: Pixels) -> bytes:
    """Encode as a camera does."""
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def crowd(count: int, dimensions: int = 128) -> Vector:
    """Make embeddings of people who are not there: random directions, float32 (count, d), unit norm.

    Whose they are is no matter for the time of an exact search.
    """
    rows = np.random.default_rng(7).normal(size=(count, dimensions)).astype(np.float32)
    unit: Vector = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit

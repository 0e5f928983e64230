"""Everything done with OpenCV: decode, detect with YuNet, warp. The only file that imports cv2.

Each detector belongs to one thread: YuNet keeps state between calls, and sharing one gave wrong faces.
OpenCV's own thread pool is switched off, because a worker process has one core and scales by more
processes.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from recognition_worker.domain.alignment import Similarity
from recognition_worker.domain.face import Box, DecodedImage, DetectedFace, Pixels, Vector
from recognition_worker.domain.image_header import BadHeader, ImageHeader, read_header
from recognition_worker.errors import ModelRefused, UndecodableImage

# EXIF orientation (TIFF 6.0 / EXIF 2.32 tag 0x0112): the turn that makes the stored image upright, then the
# mirroring.
_TURN: dict[int, int | None] = {
    1: None,
    2: None,
    3: cv2.ROTATE_180,
    4: cv2.ROTATE_180,
    5: cv2.ROTATE_90_CLOCKWISE,
    6: cv2.ROTATE_90_CLOCKWISE,
    7: cv2.ROTATE_90_COUNTERCLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_MIRRORED = frozenset({2, 4, 5, 7})
REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
# How long the longer side is made of what is searched. A look counts when its nearest face is so high that
# YuNet misses hardly any of its size (docs/recognition/speed.md); else the next one is taken.
LOOKS_PX = (160, 320, 640)
LEAST_SCORE = 0.6
_SURE_FROM_PX = 24.0
# A face that was seen smaller than this is looked at again, cut out and scaled to _CLOSE_FACE_PX: below, the
# landmarks are too coarse, and the score falls.
_EXACT_FROM_PX = 56.0
_CLOSE_PX = 128
_CLOSE_FACE_PX = 64.0
_OVERLAP = 0.3
_MOST_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What is decoded at all, and from which size on it is shrunk while decoding.

    enough_side_px: what the longer side keeps at least. enough_to_find_px: the same for a coarse look.
    """

    most_bytes: int = 20_000_000
    most_pixels: int = 50_000_000
    least_side_px: int = 32
    enough_side_px: int = 1280
    enough_to_find_px: int = 640


class OpenCvImageDecoder:
    """Decodes what devices send. Stateless, safe between threads."""

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        self._limits = limits or DecodingLimits()

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        """Decode to upright 8-bit BGR; grey, alpha and 16-bit images are converted.

        Orientation comes from the event (EXIF, 1 to 8) and not from the file, whose EXIF may have been
        dropped. A coarse look at a JPEG computes a half, a quarter or an eighth of its pixels, no more than
        finding a face needs; other formats have no such way and are decoded as always.

        Raises:
            UndecodableImage: not JPEG, PNG or WebP, damaged, over the limits, or an impossible orientation.
        """
        if orientation not in _TURN:
            raise UndecodableImage(f"the orientation {orientation} is not one of 1 to 8")
        header = self._checked_header(data)
        finest = _reduction(header, self._limits.enough_side_px)
        # Only libjpeg computes fewer pixels; the other decoders compute all of them first.
        coarse = coarse and header.media_type == "image/jpeg"
        reduction = _reduction(header, self._limits.enough_to_find_px) if coarse else finest
        flags = REDUCED_FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        except cv2.error as error:
            raise UndecodableImage(f"the image is damaged: {error.err}") from error
        if pixels is None:
            raise UndecodableImage("the image is damaged: its header is right, its content cannot be decoded")
        return DecodedImage(_upright(cast(Pixels, pixels), orientation), reduction, reduction > finest)

    def _checked_header(self, data: bytes) -> ImageHeader:
        limits = self._limits
        if len(data) > limits.most_bytes:
            raise UndecodableImage(f"the image has {len(data)} bytes, {limits.most_bytes} are allowed")
        try:
            header = read_header(data)
        except BadHeader as error:
            raise UndecodableImage(f"the image cannot be read: {error}") from error
        size = f"{header.width} x {header.height}"
        if header.pixel_count > limits.most_pixels:
            raise UndecodableImage(
                f"the image is {size} pixels large, {limits.most_pixels} in all are allowed"
            )
        if min(header.width, header.height) < limits.least_side_px:
            raise UndecodableImage(f"the image is {size} pixels small, no face fits into it")
        return header


def _reduction(header: ImageHeader, enough_px: int) -> int:
    longest = max(header.width, header.height)
    return next(by for by in (8, 4, 2, 1) if by == 1 or longest // by >= enough_px)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    turn = _TURN[orientation]
    if turn is not None:
        pixels = cast(Pixels, cv2.rotate(pixels, turn))
    return cast(Pixels, cv2.flip(pixels, 1)) if orientation in _MIRRORED else pixels


class OpenCvYuNetDetector:
    """Finds faces with YuNet on a small copy of the image."""

    def __init__(
        self, model_file: Path, least_score: float = LEAST_SCORE, looks: Sequence[int] = LOOKS_PX
    ) -> None:
        """Load the model once, so that a bad file is noticed at start.

        Raises:
            ModelRefused: OpenCV cannot read the file.
        """
        cv2.setNumThreads(1)
        # OpenCV 5 warns at each load that it chose the backend itself.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._model_file = model_file
        self._least_score = least_score
        self._looks = tuple(looks)
        self._of_thread = threading.local()
        try:
            self._detector(self._looks[0])
        except cv2.error as error:
            raise ModelRefused(
                f"OpenCV cannot load the face detector {model_file.name}: {error.err}"
            ) from error

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        """Return the faces, largest first, in pixels of this image.

        The first look is at the smallest size; the next are taken when it finds nobody who is near enough to
        be sure that nobody nearer was missed. A thorough one is at the largest.
        """
        faces: tuple[DetectedFace, ...] = ()
        for look in self._looks[-1:] if thorough else self._looks:
            faces = self._look(pixels, look) or faces
            if max(pixels.shape[:2]) <= look or (faces and faces[0].seen_px >= _SURE_FROM_PX):
                break
        return faces

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        """Return the face with exact landmarks: itself if seen large enough, else from a close look."""
        if face.seen_px >= _EXACT_FROM_PX:
            return face
        side = max(2, round(max(face.box.width, face.box.height) * _CLOSE_PX / _CLOSE_FACE_PX))
        left, top = (round(middle - side / 2) for middle in face.box.centre)
        patch = _square(pixels, left, top, side)
        found = self._search(_CLOSE_PX, _resized(patch, _CLOSE_PX, _CLOSE_PX))
        if not len(found):
            return face
        back = np.full(2, side / _CLOSE_PX, dtype=np.float32)
        seen = [_face(row, back, np.array([left, top], dtype=np.float32)) for row in found]
        return min(seen, key=lambda other: math.dist(other.box.centre, face.box.centre))

    def _look(self, pixels: Pixels, longest_px: int) -> tuple[DetectedFace, ...]:
        height, width = pixels.shape[:2]
        scale = min(1.0, longest_px / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        # Sides are rounded to whole pixels, so each axis has its own way back.
        back = np.array([width / size[0], height / size[1]], dtype=np.float32)
        origin = np.zeros(2, dtype=np.float32)
        faces = [_face(row, back, origin) for row in self._search(longest_px, _resized(pixels, *size))]
        return tuple(sorted(faces, key=lambda face: -face.box.area))

    def _search(self, role: int, pixels: Pixels) -> Sequence[Vector]:
        detector = self._detector(role)
        detector.setInputSize((pixels.shape[1], pixels.shape[0]))
        found = cast("Vector | None", detector.detect(pixels)[1])  # the stubs forget that it may be None
        return () if found is None else list(np.asarray(found, dtype=np.float32))

    def _detector(self, role: int) -> "cv2.FaceDetectorYN":
        """Return this thread's detector for one size: to change a detector's size costs a third of a look."""
        detectors: dict[int, cv2.FaceDetectorYN] | None = getattr(self._of_thread, "detectors", None)
        if detectors is None:
            detectors = self._of_thread.detectors = {}
        if role not in detectors:
            detectors[role] = cv2.FaceDetectorYN.create(
                str(self._model_file), "", (role, role), self._least_score, _OVERLAP, _MOST_CANDIDATES
            )
        return detectors[role]


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Scale an image without aliasing: by halves, then bilinearly. An area average is five times as slow."""
    rows, columns = pixels.shape[:2]
    while rows >= 2 * height and columns >= 2 * width:
        rows, columns = rows // 2, columns // 2
        pixels = cast(Pixels, cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA))
    if (rows, columns) == (height, width):
        return pixels
    return cast(Pixels, cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR))


def _square(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """Cut a square out; what lies outside of the image is black."""
    height, width = pixels.shape[:2]
    right, bottom = left + side, top + side
    inside = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    missing = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if not any(missing):
        return inside
    return cast(Pixels, cv2.copyMakeBorder(inside, *missing, borderType=cv2.BORDER_CONSTANT))


def _face(row: Vector, back: Vector, origin: Vector) -> DetectedFace:
    """Read one row of YuNet: x, y, width, height, five points, score.

    Its points are right eye, left eye, nose, right and left mouth corner of the person: left of the image
    first. back: image pixels per searched pixel. origin: of what was searched, in the image.
    """
    # A pixel's middle stays a pixel's middle.
    shift = origin + (back - 1) * np.float32(0.5)
    left, top = row[0:2] * back + shift
    width, height = row[2:4] * back
    return DetectedFace(
        box=Box(float(left), float(top), float(width), float(height)),
        landmarks=row[4:14].reshape(5, 2) * back + shift,
        confidence=float(row[14]),
        seen_px=float(row[3] * min(1.0, back[1])),
    )


class OpenCvFaceCropper:
    """Cuts aligned faces. Stateless, safe between threads."""

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        """Warp to (size, size, 3) bilinearly, as OpenCV's own SFace client does; outside is black."""
        return cast(Pixels, cv2.warpAffine(pixels, transform.matrix, (size, size), flags=cv2.INTER_LINEAR))

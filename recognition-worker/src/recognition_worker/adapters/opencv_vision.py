"""Everything done with OpenCV: decode, detect with YuNet, warp. The only file that imports cv2.

Each detector belongs to one thread: YuNet keeps state between calls, and sharing one gave wrong faces.
OpenCV's own thread pool is switched off, because a worker process has one core and scales by more
processes.
"""

import threading
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
_REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_FIRST_LOOK_PX = 320
_SECOND_LOOK_PX = 640
_OVERLAP = 0.3
_MOST_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """What is decoded at all, and from which size on it is shrunk while decoding."""

    most_bytes: int = 20_000_000
    most_pixels: int = 50_000_000
    least_side_px: int = 32
    enough_side_px: int = 1280


class OpenCvImageDecoder:
    """Decodes what devices send. Stateless, safe between threads."""

    def __init__(self, limits: DecodingLimits | None = None) -> None:
        self._limits = limits or DecodingLimits()

    def decode(self, data: bytes, orientation: int = 1) -> DecodedImage:
        """Decode to upright 8-bit BGR; grey, alpha and 16-bit images are converted.

        Orientation comes from the event (EXIF, 1 to 8) and not from the file, whose EXIF may have been
        dropped.

        Raises:
            UndecodableImage: not JPEG, PNG or WebP, damaged, over the limits, or an impossible orientation.
        """
        if orientation not in _TURN:
            raise UndecodableImage(f"the orientation {orientation} is not one of 1 to 8")
        reduction = self._reduction(self._checked_header(data))
        flags = _REDUCED_FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        except cv2.error as error:
            raise UndecodableImage(f"the image is damaged: {error.err}") from error
        if pixels is None:
            raise UndecodableImage("the image is damaged: its header is right, its content cannot be decoded")
        return DecodedImage(_upright(cast(Pixels, pixels), orientation), reduction)

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

    def _reduction(self, header: ImageHeader) -> int:
        longest = max(header.width, header.height)
        return next(by for by in (8, 4, 2, 1) if by == 1 or longest // by >= self._limits.enough_side_px)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    turn = _TURN[orientation]
    if turn is not None:
        pixels = cast(Pixels, cv2.rotate(pixels, turn))
    return cast(Pixels, cv2.flip(pixels, 1)) if orientation in _MIRRORED else pixels


class OpenCvYuNetDetector:
    """Finds faces with YuNet on a small copy of the image."""

    def __init__(self, model_file: Path, least_score: float = 0.6) -> None:
        """Load the model once, so that a bad file is noticed at start.

        Raises:
            ModelRefused: OpenCV cannot read the file.
        """
        cv2.setNumThreads(1)
        # OpenCV 5 warns at each load that it chose the backend itself.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._model_file = model_file
        self._least_score = least_score
        self._of_thread = threading.local()
        try:
            self._detector()
        except cv2.error as error:
            raise ModelRefused(
                f"OpenCV cannot load the face detector {model_file.name}: {error.err}"
            ) from error

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        """Return the faces, largest first, in pixels of this image.

        The first look is at 320 pixels; on a miss, or when thorough, at 640.
        """
        if not thorough:
            faces = self._look(pixels, _FIRST_LOOK_PX)
            if faces or max(pixels.shape[:2]) <= _FIRST_LOOK_PX:
                return faces
        return self._look(pixels, _SECOND_LOOK_PX)

    def _look(self, pixels: Pixels, longest_px: int) -> tuple[DetectedFace, ...]:
        height, width = pixels.shape[:2]
        scale = min(1.0, longest_px / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else pixels
        detector = self._detector()
        detector.setInputSize(size)
        found = cast("Vector | None", detector.detect(small)[1])  # the stubs forget that it may be None
        if found is None:
            return ()
        # Sides are rounded to whole pixels, so each axis has its own way back.
        back = np.array([width / size[0], height / size[1]], dtype=np.float32)
        faces = [_face(np.asarray(row, dtype=np.float32), back) for row in found]
        return tuple(sorted(faces, key=lambda face: -face.box.area))

    def _detector(self) -> "cv2.FaceDetectorYN":
        detector: cv2.FaceDetectorYN | None = getattr(self._of_thread, "detector", None)
        if detector is None:
            detector = cv2.FaceDetectorYN.create(
                str(self._model_file),
                "",
                (_FIRST_LOOK_PX, _FIRST_LOOK_PX),
                self._least_score,
                _OVERLAP,
                _MOST_CANDIDATES,
            )
            self._of_thread.detector = detector
        return detector


def _face(row: Vector, back: Vector) -> DetectedFace:
    """Read one row of YuNet: x, y, width, height, five points, score.

    Its points are right eye, left eye, nose, right and left mouth corner of the person: left of the image
    first.
    """
    left, top = row[0:2] * back
    width, height = row[2:4] * back
    return DetectedFace(
        box=Box(float(left), float(top), float(width), float(height)),
        landmarks=row[4:14].reshape(5, 2) * back,
        confidence=float(row[14]),
    )


class OpenCvFaceCropper:
    """Cuts aligned faces. Stateless, safe between threads."""

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        """Warp to (size, size, 3) bilinearly, as OpenCV's own SFace client does; outside is black."""
        return cast(Pixels, cv2.warpAffine(pixels, transform.matrix, (size, size), flags=cv2.INTER_LINEAR))

"""Everything done with OpenCV: decode, scale, find faces, warp. The only file that imports cv2.

OpenCV's own thread pool is switched off, because a worker process has one core and scales by more
processes.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from recognition_worker.adapters.vision.known_images import KNOWN_IMAGES
from recognition_worker.adapters.vision.yunet import COLUMNS, LEAST_SCORE, MOST_CANDIDATES, OVERLAP
from recognition_worker.domain.alignment import Similarity
from recognition_worker.domain.face import DecodedImage, Pixels, Vector
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
_QUARTERS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
# Any: a detector is made once at start to see whether the file is one.
_A_SIZE_PX = 160
REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


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
            UndecodableImage: not JPEG, PNG or WebP, damaged, over the limits, or an impossible orientation;
                it says whether images that are known to be good are decoded.
        """
        try:
            return self._decoded(data, orientation, coarse=coarse)
        except UndecodableImage as error:
            raise UndecodableImage(str(error), others_pass=self._decodes_known_images()) from error

    def _decoded(self, data: bytes, orientation: int, *, coarse: bool) -> DecodedImage:
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

    def _decodes_known_images(self) -> bool:
        try:
            for image in KNOWN_IMAGES:
                self._decoded(image, orientation=1, coarse=False)
        except UndecodableImage:
            return False
        return True

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


def on_one_core() -> None:
    """Switch OpenCV's thread pool off, and its warning at each load that it chose the backend itself."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


class OpenCvYuNet:
    """YuNet by OpenCV's FaceDetectorYN.

    Safe between threads: each has its own detectors, which keep state between calls; sharing one gave wrong
    faces.
    """

    def __init__(self, model_file: Path) -> None:
        """Load the model once, so that a bad file is noticed at start.

        Raises:
            ModelRefused: OpenCV cannot read the file.
        """
        on_one_core()
        self._model_file = model_file
        self._of_thread = threading.local()
        try:
            self._detector(_A_SIZE_PX)
        except cv2.error as error:
            raise ModelRefused(
                f"OpenCV cannot load the face detector {model_file.name}: {error.err}"
            ) from error

    def search(self, pixels: Pixels, look_px: int) -> Vector:
        """Return the faces, float32 (n, COLUMNS), as `YuNet` says."""
        detector = self._detector(look_px)
        detector.setInputSize((pixels.shape[1], pixels.shape[0]))
        found = cast("Vector | None", detector.detect(pixels)[1])  # the stubs forget that it may be None
        return np.zeros((0, COLUMNS), np.float32) if found is None else np.asarray(found, dtype=np.float32)

    def _detector(self, look_px: int) -> "cv2.FaceDetectorYN":
        """Return this thread's detector for one size: to change a detector's size costs a third of a look."""
        detectors: dict[int, cv2.FaceDetectorYN] | None = getattr(self._of_thread, "detectors", None)
        if detectors is None:
            detectors = self._of_thread.detectors = {}
        if look_px not in detectors:
            detectors[look_px] = cv2.FaceDetectorYN.create(
                str(self._model_file), "", (look_px, look_px), LEAST_SCORE, OVERLAP, MOST_CANDIDATES
            )
        return detectors[look_px]


def without_overlaps(found: Vector) -> Vector:
    """Keep the surest of each group of boxes; found: rows as `YuNet` gives them."""
    if len(found) == 1:
        return found
    # OpenCV compares boxes of whole pixels here.
    boxes, scores = found[:, :4].astype(np.int32).tolist(), found[:, 14].tolist()
    kept = cv2.dnn.NMSBoxes(boxes, scores, LEAST_SCORE, OVERLAP, top_k=MOST_CANDIDATES)
    return found[np.asarray(kept, np.intp).reshape(-1)]


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Scale an image without aliasing: by halves, then bilinearly. An area average is five times as slow."""
    rows, columns = pixels.shape[:2]
    while rows >= 2 * height and columns >= 2 * width:
        rows, columns = rows // 2, columns // 2
        pixels = cast(Pixels, cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA))
    if (rows, columns) == (height, width):
        return pixels
    return cast(Pixels, cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR))


def turned(pixels: Pixels, degrees: int) -> Pixels:
    """Turn an image clockwise by 90, 180 or 270 degrees. numpy's own way takes fifteen times as long."""
    return cast(Pixels, cv2.rotate(pixels, _QUARTERS[degrees]))


def square(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """Cut a square out; what lies outside of the image is black."""
    height, width = pixels.shape[:2]
    right, bottom = left + side, top + side
    inside = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    missing = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if not any(missing):
        return inside
    return cast(Pixels, cv2.copyMakeBorder(inside, *missing, borderType=cv2.BORDER_CONSTANT))


class OpenCvFaceCropper:
    """Cuts aligned faces. Stateless, safe between threads."""

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        """Warp to (size, size, 3) bilinearly, as OpenCV's own SFace client does; outside is black."""
        return cast(Pixels, cv2.warpAffine(pixels, transform.matrix, (size, size), flags=cv2.INTER_LINEAR))

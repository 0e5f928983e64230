"""What may enter the object store: a JPEG, PNG or WebP of a sane size, without metadata.

Only headers are read here, before anything is decoded: a picture that claims billions of pixels never reaches
a decoder, and a file with a good header and a damaged body is accepted; recognition finds out and
dead-letters it. The coded picture itself is copied byte for byte.
"""

import hashlib
from dataclasses import dataclass

from ingest.domain import jpeg, png
from ingest.domain.jpeg import strip_jpeg
from ingest.domain.other_types import describe
from ingest.domain.png import strip_png
from ingest.domain.webp import is_webp, strip_webp
from ingest.errors import Refusal, RefusedImage


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What one image may be at most, and how many pixels its shorter side has at least."""

    size_bytes: int
    pixels: int
    least_side_px: int


@dataclass(frozen=True, slots=True)
class CleanImage:
    """An image as it is stored: `sha256` is of `data`, width and height are before `orientation`."""

    data: bytes
    media_type: str
    width: int
    height: int
    orientation: int
    sha256: str


def clean_image(data: bytes, limits: ImageLimits) -> CleanImage:
    """Check an upload by its header and drop its metadata. Raises RefusedImage naming the problem."""
    if not data:
        raise RefusedImage(Refusal.EMPTY, "the image has no bytes; send the file itself")
    if len(data) > limits.size_bytes:
        raise RefusedImage(
            Refusal.TOO_LARGE,
            f"the image has {len(data)} bytes, at most {limits.size_bytes} are accepted; send a smaller one",
        )
    media_type, (stripped, width, height, orientation) = _strip(data)
    if width == 0 or height == 0:
        raise RefusedImage(Refusal.DAMAGED_HEADER, f"the image is {width} by {height} pixels; take it again")
    if width * height > limits.pixels:
        raise RefusedImage(
            Refusal.TOO_MANY_PIXELS,
            f"the image is {width} by {height} pixels, at most {limits.pixels} in all; send a smaller one",
        )
    if min(width, height) < limits.least_side_px:
        raise RefusedImage(
            Refusal.TOO_SMALL,
            f"the image is {width} by {height} pixels, each side needs {limits.least_side_px} at least; "
            "take it with a higher resolution",
        )
    return CleanImage(
        data=stripped,
        media_type=media_type,
        width=width,
        height=height,
        orientation=orientation,
        sha256=hashlib.sha256(stripped).hexdigest(),
    )


def _strip(data: bytes) -> tuple[str, tuple[bytes, int, int, int]]:
    if data.startswith(jpeg.MAGIC):
        return "image/jpeg", strip_jpeg(data)
    if data.startswith(png.MAGIC):
        return "image/png", strip_png(data)
    if is_webp(data):
        return "image/webp", strip_webp(data)
    raise RefusedImage(Refusal.UNSUPPORTED, f"the file is {describe(data)}; send JPEG, PNG or WebP")

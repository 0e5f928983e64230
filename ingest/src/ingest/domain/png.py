"""PNG without what it says about people: chunks that decide colours are kept, other ancillary ones left out.

Source: PNG Specification (Third Edition), 5.3 chunk layout and 11.3 ancillary chunks.
"""

import struct

from ingest.domain.exif import UPRIGHT, orientation_of
from ingest.errors import Refusal, RefusedImage

MAGIC = b"\x89PNG\r\n\x1a\n"
CHUNK = struct.Struct(">I4s")
CHECKSUM = 4
HEADER = struct.Struct(">II")
HEADER_LENGTH = 13
KEPT = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"cICP",
        b"sBIT",
        b"bKGD",
        b"pHYs",
    )
)


def strip_png(data: bytes) -> tuple[bytes, int, int, int]:
    """Return the file without metadata, its width, height and EXIF orientation. Raises RefusedImage."""
    width, height = _size(data)
    kept, orientation = [MAGIC], UPRIGHT
    position, seen_pixels = len(MAGIC), False
    while position + CHUNK.size <= len(data):
        length, kind = CHUNK.unpack_from(data, position)
        end = position + CHUNK.size + length + CHECKSUM
        seen_pixels = seen_pixels or kind == b"IDAT"
        if end > len(data) and not seen_pixels:
            raise _damaged(f"its {kind!r} chunk is cut off")
        if kind in KEPT:
            kept.append(data[position:end])
        elif kind == b"eXIf":
            orientation = orientation_of(data[position + CHUNK.size : end - CHECKSUM])
        if kind == b"IEND":
            break
        position = end
    if not seen_pixels:
        raise _damaged("it ends before the image data begins")
    return b"".join(kept), width, height, orientation


def _size(data: bytes) -> tuple[int, int]:
    start = len(MAGIC)
    if len(data) < start + CHUNK.size + HEADER_LENGTH + CHECKSUM:
        raise _damaged("its header is cut off")
    if CHUNK.unpack_from(data, start) != (HEADER_LENGTH, b"IHDR"):
        raise _damaged("it does not begin with IHDR")
    width, height = HEADER.unpack_from(data, start + CHUNK.size)
    return width, height


def _damaged(what: str) -> RefusedImage:
    return RefusedImage(Refusal.DAMAGED_HEADER, f"the PNG is damaged: {what}; take the picture again")

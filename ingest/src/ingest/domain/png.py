"""PNG without what it says about people: chunks that decide colours are kept, other ancillary ones left out.

Source: PNG Specification (Third Edition), 5.3 chunk layout and 11.3 ancillary chunks.
"""

import struct
import zlib

from ingest.domain.exif import UPRIGHT, orientation_of
from ingest.errors import Refusal, RefusedImage

MAGIC = b"\x89PNG\r\n\x1a\n"
CHUNK = struct.Struct(">I4s")
CHECKSUM = 4
HEADER = struct.Struct(">IIBBBBB")
HEADER_LENGTH = 13
# Colour types and the bits per sample that each may have: table 11.1 of the specification.
DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
METHODS = {(0, 0, 0), (0, 0, 1)}  # deflate, adaptive filtering, with and without interlacing
# Encoders write 8 KiB or more per chunk.
MAXIMUM_CHUNKS = 16_384
# What the picture needs; every other chunk is dropped.
PICTURE_CHUNKS = frozenset(
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
    kept, orientation = [MAGIC], None
    position, seen_pixels = len(MAGIC), False
    for _ in range(MAXIMUM_CHUNKS):
        if position + CHUNK.size > len(data):
            break
        length, kind = CHUNK.unpack_from(data, position)
        end = position + CHUNK.size + length + CHECKSUM
        seen_pixels = seen_pixels or kind == b"IDAT"
        if end > len(data) and not seen_pixels:
            raise _damaged(f"its {kind!r} chunk is cut off")
        if kind in PICTURE_CHUNKS:
            kept.append(data[position:end])
        elif kind == b"acTL":
            raise RefusedImage(Refusal.ANIMATED, "the PNG is animated; send a single picture")
        elif kind == b"eXIf" and orientation is None:
            orientation = orientation_of(data[position + CHUNK.size : end - CHECKSUM])
        if kind == b"IEND":
            break
        position = end
    else:
        raise RefusedImage(
            Refusal.TOO_COMPLEX,
            f"the PNG has more than {MAXIMUM_CHUNKS} chunks; save it again, or send JPEG",
        )
    if not seen_pixels:
        raise _damaged("it ends before the image data begins")
    return b"".join(kept), width, height, orientation or UPRIGHT


def _size(data: bytes) -> tuple[int, int]:
    start = len(MAGIC)
    if len(data) < start + CHUNK.size + HEADER_LENGTH + CHECKSUM:
        raise _damaged("its header is cut off")
    if CHUNK.unpack_from(data, start) != (HEADER_LENGTH, b"IHDR"):
        raise _damaged("it does not begin with IHDR")
    end = start + CHUNK.size + HEADER_LENGTH
    if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + CHECKSUM], "big"):
        raise _damaged("the checksum of its header is wrong")
    width, height, depth, colour, *methods = HEADER.unpack_from(data, start + CHUNK.size)
    if depth not in DEPTHS.get(colour, ()) or tuple(methods) not in METHODS:
        raise _damaged("its header names a coding that does not exist")
    return width, height


def _damaged(what: str) -> RefusedImage:
    return RefusedImage(Refusal.DAMAGED_HEADER, f"the PNG is damaged: {what}; take the picture again")

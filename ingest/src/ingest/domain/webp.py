"""WebP without what it says about people: EXIF, XMP and unknown chunks are left out, and their flags.

Source: WebP Container Specification; RFC 6386 section 9.1 (VP8), WebP Lossless Bitstream section 3 (VP8L).
"""

import struct
from collections.abc import Iterator

from ingest.domain.exif import UPRIGHT, orientation_of
from ingest.errors import Refusal, RefusedImage

CHUNK = struct.Struct("<4sI")
START = 12
# What the picture needs; every other chunk is dropped.
PICTURE_CHUNKS = frozenset((b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"))  # codespell:ignore
PIXELS = frozenset((b"VP8 ", b"VP8L"))
EXIF_FLAG, XMP_FLAG, ANIMATION_FLAG = 0x08, 0x04, 0x02
EXTENDED_LENGTH = 10
INTER_FRAME = 0x01
# A picture has up to ten or so.
MAXIMUM_CHUNKS = 1_024
VP8_START_CODE = b"\x9d\x01\x2a"
VP8L_SIGNATURE = 0x2F
VP8_HEADER, VP8L_HEADER = 10, 5
FOURTEEN_BITS = 0x3FFF


def is_webp(data: bytes) -> bool:
    """Say whether the bytes begin as a WebP file."""
    return data[:4] == b"RIFF" and data[8:START] == b"WEBP"


def strip_webp(data: bytes) -> tuple[bytes, int, int, int]:
    """Return the file without metadata, its width, height and EXIF orientation. Raises RefusedImage."""
    kept: list[bytes] = []
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    orientation: int | None = None
    for kind, length, body, whole in _chunks(data):
        if len(body) < length and kind not in PIXELS and picture is None:
            raise _damaged(f"its {kind!r} chunk is cut off")
        if kind == b"EXIF" and orientation is None:
            orientation = orientation_of(body)
        elif kind == b"VP8X":
            if kept:
                raise _damaged("its extended header does not come first")
            canvas = _canvas(body)
            flags = body[0] & ~(EXIF_FLAG | XMP_FLAG)
            kept.append(CHUNK.pack(kind, length) + bytes((flags,)) + body[1:])
        elif kind in PIXELS:
            if picture is not None:
                raise _damaged("it holds more than one picture")
            picture = _picture(kind, body)
            kept.append(whole)
        elif kind in PICTURE_CHUNKS:
            if canvas is None:
                raise _damaged(f"its {kind!r} chunk needs an extended header")
            kept.append(whole)
    if picture is None:
        raise _damaged("it ends before the image data begins")
    if canvas not in (None, picture):
        raise _damaged(f"its canvas is {canvas} but its picture is {picture}")
    content = b"WEBP" + b"".join(kept)
    return CHUNK.pack(b"RIFF", len(content)) + content, *picture, orientation or UPRIGHT


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, bytes, bytes]]:
    """Yield kind, stated length, body and whole of each chunk; the last may be cut off."""
    end_of_file = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    position = START
    for _ in range(MAXIMUM_CHUNKS):
        if position + CHUNK.size > end_of_file:
            return
        kind, length = CHUNK.unpack_from(data, position)
        start = position + CHUNK.size
        end = min(start + length + length % 2, end_of_file)
        yield kind, length, data[start : min(start + length, end_of_file)], data[position:end]
        position = end
    raise RefusedImage(
        Refusal.TOO_COMPLEX,
        f"the WebP has more than {MAXIMUM_CHUNKS} chunks; save it again, or send JPEG",
    )


def _canvas(body: bytes) -> tuple[int, int]:
    if len(body) < EXTENDED_LENGTH:
        raise _damaged("its extended header is cut off")
    if body[0] & ANIMATION_FLAG:
        raise RefusedImage(Refusal.ANIMATED, "the WebP is animated; send a single picture")
    return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")


def _picture(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind == b"VP8 ":
        if len(body) < VP8_HEADER or body[0] & INTER_FRAME or body[3:6] != VP8_START_CODE:
            raise _damaged("its VP8 header is cut off or wrong")
        width, height = struct.unpack_from("<HH", body, 6)
        return width & FOURTEEN_BITS, height & FOURTEEN_BITS
    if len(body) < VP8L_HEADER or body[0] != VP8L_SIGNATURE:
        raise _damaged("its VP8L header is cut off or wrong")
    bits = int.from_bytes(body[1:5], "little")
    return 1 + (bits & FOURTEEN_BITS), 1 + (bits >> 14 & FOURTEEN_BITS)


def _damaged(what: str) -> RefusedImage:
    return RefusedImage(Refusal.DAMAGED_HEADER, f"the WebP is damaged: {what}; take the picture again")

"""Reads type and size of an image from its first bytes, so that limits hold before anything is decoded.

A few kilobytes can claim a gigapixel; the decoder would allocate it. Only JPEG, PNG and WebP are known
here, because only they are accepted.
"""

import struct
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# Start-of-frame markers: C0 to CF without C4 (Huffman tables), C8 (reserved) and CC (arithmetic
# conditioning).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length: TEM, RST0 to RST7, SOI.
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = 0xFF
_SCAN = 0xDA
_END = 0xD9


class BadHeader(ValueError):
    """The bytes are no JPEG, PNG or WebP, or end too early; the message says which."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Media type and size in pixels as stored, before any orientation."""

    media_type: str
    width: int
    height: int

    @property
    def pixel_count(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> ImageHeader:
    """Read the header.

    Raises:
        BadHeader: not one of the three types, or damaged.
    """
    try:
        if data.startswith(_JPEG):
            header = _jpeg(data)
        elif data.startswith(_PNG):
            width, height = struct.unpack_from(">II", data, 16)
            header = ImageHeader("image/png", width, height)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            header = ImageHeader("image/webp", *_webp_size(data))
        else:
            raise BadHeader("it is not JPEG, PNG or WebP")
    except (struct.error, IndexError) as error:
        raise BadHeader("it ends within its header") from error
    if header.width < 1 or header.height < 1:
        raise BadHeader(f"it claims a size of {header.width} x {header.height}")
    return header


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    while True:
        if data[at] != _MARKER:
            raise BadHeader(f"a JPEG marker was expected at byte {at}")
        marker = data[at + 1]
        if marker == _MARKER:  # fill byte
            at += 1
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            if data.rfind(_JPEG_END) < at:
                raise BadHeader("the JPEG is cut off: its end marker is missing")
            return ImageHeader("image/jpeg", width, height)
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in (_SCAN, _END):
            raise BadHeader("the JPEG has no frame header")
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _webp_size(data: bytes) -> tuple[int, int]:
    # Source: RFC 9649, sections 2.4 to 2.7.
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = struct.unpack_from("<I", data, 26)[0] >> 8
        return width, height + 1
    raise BadHeader(f"it has the unknown WebP chunk {kind!r}")

"""Reads type and size of an image from its headers, so that limits hold before anything is decoded.

A few kilobytes can claim a gigapixel, or the same picture coded a hundred thousand times; the decoder would
allocate the one and work through the other. Only JPEG, PNG and WebP are known here, because only they are
accepted. Every walk over the bytes is bounded by their number and by a number of parts.
"""

import re
import struct
from dataclasses import dataclass
from itertools import islice

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# A regular expression finds two bytes in a third of the time of bytes.count.
_JPEG_SCANS = re.compile(rb"\xff\xda")
# Start-of-frame markers: C0 to CF without C4 (Huffman tables), C8 (reserved) and CC (arithmetic
# conditioning).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, with Huffman or arithmetic coding; not lossless, not hierarchical.
_DECODED_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_DECODED_COMPONENTS = frozenset({1, 3, 4})
_DECODED_PRECISION = 8
# Markers without a length: TEM, RST0 to RST7, SOI.
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKERS = re.compile(rb"\xff+")
_SCAN = 0xDA
_END = 0xD9
_CHUNK = struct.Struct(">I4s")
_CHECKSUM = 4
_WEBP_ANIMATED = 0x02

# Encoders write 8 KiB or more per chunk of a PNG, and a JPEG has some tens of segments: 16,384 parts are a
# flood.
MOST_PARTS = 16_384
# A progressive JPEG has about ten scans. Each costs the decoder the whole picture again, but only some bytes
# of the file.
MOST_SCANS = 64
# Chunks of a PNG that hold no pixels; a compressed text of one kilobyte costs milliseconds.
MOST_SIDE_CHUNKS = 64


class BadHeader(ValueError):
    """The bytes are no JPEG, PNG or WebP that is decoded, or end too early; the message says which."""


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
        BadHeader: not one of the three types, animated, of a coding that is not decoded, too costly to
            decode, or damaged.
    """
    try:
        if data.startswith(_JPEG):
            header = _jpeg(data)
        elif data.startswith(_PNG):
            header = _png(data)
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
    for _ in range(MOST_PARTS):
        found = _MARKERS.match(data, at)  # fill bytes may precede a marker
        if found is None:
            raise BadHeader(f"a JPEG marker was expected at byte {at}")
        at = found.end() + 1
        marker = data[at - 1]
        if marker in _FRAME_MARKERS:
            return _jpeg_frame(data, marker, at)
        if marker in (_SCAN, _END):
            raise BadHeader("the JPEG has no frame header")
        if marker not in _BARE_MARKERS:
            at += struct.unpack_from(">H", data, at)[0]
    raise BadHeader(f"the JPEG has more than {MOST_PARTS} segments")


def _jpeg_frame(data: bytes, marker: int, at: int) -> ImageHeader:
    precision, height, width, components = struct.unpack_from(">BHHB", data, at + 2)
    if (
        marker not in _DECODED_FRAMES
        or components not in _DECODED_COMPONENTS
        or precision != _DECODED_PRECISION
    ):
        raise BadHeader(
            f"the JPEG is of a kind that is not decoded: frame {marker:X}, {precision} bits, "
            f"{components} components"
        )
    if sum(1 for _ in islice(_JPEG_SCANS.finditer(data, at), MOST_SCANS + 1)) > MOST_SCANS:
        raise BadHeader(f"the JPEG has more than {MOST_SCANS} scans")
    if data.rfind(_JPEG_END) < at:
        raise BadHeader("the JPEG is cut off: its end marker is missing")
    return ImageHeader("image/jpeg", width, height)


def _png(data: bytes) -> ImageHeader:
    if _CHUNK.unpack_from(data, len(_PNG)) != (13, b"IHDR"):
        raise BadHeader("the PNG does not begin with its header")
    width, height = struct.unpack_from(">II", data, 16)
    at, side_chunks = len(_PNG), 0
    for _ in range(MOST_PARTS):
        if at + _CHUNK.size > len(data):
            break  # cut off: the decoder finds out
        length, kind = _CHUNK.unpack_from(data, at)
        if kind == b"IEND":
            break
        if kind == b"acTL":
            raise BadHeader("the PNG is animated")
        side_chunks += kind != b"IDAT"
        if side_chunks > MOST_SIDE_CHUNKS:
            raise BadHeader(f"the PNG has more than {MOST_SIDE_CHUNKS} chunks beside its pixels")
        at += _CHUNK.size + length + _CHECKSUM
    else:
        raise BadHeader(f"the PNG has more than {MOST_PARTS} chunks")
    return ImageHeader("image/png", width, height)


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
        if data[20] & _WEBP_ANIMATED:
            raise BadHeader("the WebP is animated")
        width = int.from_bytes(data[24:27], "little") + 1
        height = struct.unpack_from("<I", data, 26)[0] >> 8
        return width, height + 1
    raise BadHeader(f"it has the unknown WebP chunk {kind!r}")

"""JPEG without what it says about people: segments are copied or left out, the coded picture is not touched.

Kept: JFIF, ICC profiles, Adobe's colour transform, and everything the decoder needs. Left out: EXIF, XMP,
IPTC, comments, makers' segments, and what follows the end of the image. Refused: what recognition does
not decode, and what would cost it minutes. Source: ITU-T T.81, annex B.
"""

import re
import struct
from dataclasses import dataclass, field

from ingest.domain.exif import EXIF_PREFIX, UPRIGHT, orientation_of
from ingest.errors import Refusal, RefusedImage

MAGIC = b"\xff\xd8\xff"
MARKER = 0xFF
START, END, SCAN, EXIF, COMMENT = 0xD8, 0xD9, 0xDA, 0xE1, 0xFE
LENGTH = 2  # bytes of a segment's length, which counts itself
APPLICATION = range(0xE0, 0xF0)
STANDALONE = {0x01, START, *range(0xD0, 0xD8)}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, with Huffman or arithmetic coding; not lossless, not hierarchical.
DECODED_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
DECODED_COMPONENTS = {1, 3, 4}
DECODED_PRECISION = 8
KEPT_APPLICATION = {0xE0: b"JFIF\x00", 0xE2: b"ICC_PROFILE\x00", 0xEE: b"Adobe"}
# Inside coded data 0xFF is followed by 0 (stuffing) or a restart marker; anything else starts a segment.
NEXT_SEGMENT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
FILL = re.compile(rb"\xff+")
FRAME = struct.Struct(">BHHB")
# Files have some tens of segments; ICC profiles and extended XMP make it hundreds.
MAXIMUM_SEGMENTS = 16_384
# A progressive file has about ten. Each costs the decoder the whole picture again, but only some bytes here.
MAXIMUM_SCANS = 64


@dataclass(slots=True)
class _Walk:
    data: bytes
    kept: list[bytes] = field(default_factory=lambda: [b"\xff\xd8"])
    position: int = 2
    size: tuple[int, int] | None = None
    orientation: int | None = None
    in_scan: bool = False
    scans: int = 0


def strip_jpeg(data: bytes) -> tuple[bytes, int, int, int]:
    """Return the file without metadata, its width, height and EXIF orientation. Raises RefusedImage."""
    walk = _Walk(data)
    for _ in range(MAXIMUM_SEGMENTS):
        if not _copy_segment(walk):
            break
    else:
        raise _too_complex(f"{MAXIMUM_SEGMENTS} segments")
    if walk.size is None or not walk.in_scan:
        raise _damaged("it ends before the image data begins")
    return b"".join(walk.kept), *walk.size, walk.orientation or UPRIGHT


def _copy_segment(walk: _Walk) -> bool:
    """Copy or drop the segment at the position; return whether another may follow."""
    marker = _marker(walk)
    if marker is None:
        return False
    if marker in STANDALONE or marker == END:
        walk.kept.append(bytes((MARKER, marker)))
        if walk.in_scan and marker != END:
            _copy_coded(walk)
        return marker != END
    body = _segment_body(walk)
    if body is None:
        if not walk.in_scan:
            raise _damaged("a segment of its header is cut off")
        if not _dropped(marker, b""):
            walk.kept.append(walk.data[walk.position - 2 :])
        return False
    if marker in FRAMES:
        _read_frame(walk, marker, body)
    elif marker == EXIF and walk.orientation is None and body.startswith(EXIF_PREFIX):
        walk.orientation = orientation_of(body)
    if not _dropped(marker, body):
        walk.kept.append(walk.data[walk.position - 2 : walk.position + LENGTH + len(body)])
    walk.position += LENGTH + len(body)
    if marker == SCAN and walk.size is None:
        raise _damaged("the image data begins before its size is stated")
    if marker == SCAN or walk.in_scan:
        walk.in_scan = True
        walk.scans += marker == SCAN
        if walk.scans > MAXIMUM_SCANS:
            raise _too_complex(f"{MAXIMUM_SCANS} scans")
        _copy_coded(walk)
    return True


def _marker(walk: _Walk) -> int | None:
    """Return the marker at the position and step over it; None at the end of the file."""
    data = walk.data
    if walk.position >= len(data):
        return None
    if data[walk.position] != MARKER:
        raise _damaged(f"byte {walk.position} of its header is no marker")
    fill = FILL.match(data, walk.position)  # may precede it
    walk.position = fill.end() if fill else walk.position
    if walk.position >= len(data):
        return None
    walk.position += 1
    return data[walk.position - 1]


def _segment_body(walk: _Walk) -> bytes | None:
    length = int.from_bytes(walk.data[walk.position : walk.position + LENGTH], "big")
    end = walk.position + length
    if length < LENGTH or end > len(walk.data):
        return None
    return walk.data[walk.position + LENGTH : end]


def _dropped(marker: int, body: bytes) -> bool:
    if marker in APPLICATION:
        prefix = KEPT_APPLICATION.get(marker)
        return prefix is None or not body.startswith(prefix)
    return marker == COMMENT


def _read_frame(walk: _Walk, marker: int, body: bytes) -> None:
    if len(body) < FRAME.size:
        raise _damaged("its frame header is cut off")
    if walk.size is not None:
        return
    precision, height, width, components = FRAME.unpack_from(body)
    if marker not in DECODED_FRAMES or components not in DECODED_COMPONENTS or precision != DECODED_PRECISION:
        raise RefusedImage(
            Refusal.UNSUPPORTED_CODING,
            f"the JPEG is lossless, hierarchical or otherwise rare (frame {marker:X}, {precision} bits, "
            f"{components} components); save it as baseline or progressive JPEG",
        )
    walk.size = (width, height)


def _copy_coded(walk: _Walk) -> None:
    """Copy coded data up to the next segment, or to the end of a file that is cut off."""
    found = NEXT_SEGMENT.search(walk.data, walk.position)
    end = found.start() if found else len(walk.data)
    walk.kept.append(walk.data[walk.position : end])
    walk.position = end


def _damaged(what: str) -> RefusedImage:
    return RefusedImage(Refusal.DAMAGED_HEADER, f"the JPEG is damaged: {what}; take the picture again")


def _too_complex(limit: str) -> RefusedImage:
    return RefusedImage(
        Refusal.TOO_COMPLEX, f"the JPEG has more than {limit}; save it as baseline JPEG, or take it again"
    )

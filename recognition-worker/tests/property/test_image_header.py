import contextlib
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition_worker.domain.image_header import (
    MOST_PARTS,
    MOST_SCANS,
    MOST_SIDE_CHUNKS,
    BadHeader,
    ImageHeader,
    read_header,
)

SCAN = b"\xff\xda"


def jpeg(
    width: int,
    height: int,
    *,
    before: bytes = b"",
    precision: int = 8,
    components: int = 1,
    scans: int = 1,
    end: bytes = b"\xff\xd9",
) -> bytes:
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = struct.pack(">HBHHB", 11, precision, height, width, components) + b"\x01\x11\x00"
    return b"\xff\xd8" + app0 + before + b"\xff\xff\xc0" + frame + SCAN * scans + end


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + bytes(4)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + body


@given(st.integers(1, 65_535), st.integers(1, 65_535))
def test_jpeg_and_png_sizes_are_read(width: int, height: int) -> None:
    assert read_header(jpeg(width, height)) == ImageHeader("image/jpeg", width, height)
    assert read_header(png(width, height)) == ImageHeader("image/png", width, height)
    assert read_header(png(width, height)).pixel_count == width * height


def test_the_three_kinds_of_webp_are_read() -> None:
    lossy = webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480))
    lossless = webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14))
    extended = webp(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"))
    for data in (lossy, lossless, extended):
        assert read_header(data) == ImageHeader("image/webp", 640, 480)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JPEG, PNG or WebP"),
        (b"GIF89a", "not JPEG, PNG or WebP"),
        (b"\xff\xd8\xff", "ends within"),
        (jpeg(4, 4, end=b""), "cut off"),
        (b"\xff\xd8\xff\xda\x00\x00", "no frame header"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\x00\x00", "marker was expected"),
        (png(0, 5), "0 x 5"),
        (png(5, 5)[:20], "ends within"),
        (png(5, 5).replace(b"IHDR", b"IDAT"), "does not begin with its header"),
        (png(5, 5) + bytes(9) + chunk(b"acTL"), "animated"),
        (webp(b"VP8X", b"\x02" + bytes(9)), "animated"),
        (jpeg(4, 4).replace(b"\xff\xc0", b"\xff\xc3"), "not decoded: frame C3, 8 bits, 1 components"),
        (jpeg(4, 4, precision=12), "not decoded: frame C0, 12 bits"),
        (jpeg(4, 4, components=2), "2 components"),
        (webp(b"VP9 ", bytes(20)), "unknown WebP chunk"),
        (webp(b"VP8L", b""), "ends within"),
    ],
)
def test_what_is_damaged_says_how(data: bytes, why: str) -> None:
    with pytest.raises(BadHeader, match=why):
        read_header(data)


def test_floods_of_parts_are_refused_and_what_encoders_write_is_not() -> None:
    assert read_header(jpeg(9, 9, scans=MOST_SCANS)).width == 9
    with pytest.raises(BadHeader, match=f"more than {MOST_SCANS} scans"):
        read_header(jpeg(9, 9, scans=MOST_SCANS + 1))
    assert read_header(jpeg(9, 9, before=b"\xff\xfe\0\2" * 1000)).width == 9
    for segment in (b"\xff\xfe\0\2", b"\xff\x01"):
        with pytest.raises(BadHeader, match=f"more than {MOST_PARTS} segments"):
            read_header(jpeg(9, 9, before=segment * MOST_PARTS))
    head = png(9, 9) + bytes(9)
    assert read_header(head + chunk(b"tEXt") * (MOST_SIDE_CHUNKS - 1) + chunk(b"IDAT") * 5000).width == 9
    with pytest.raises(BadHeader, match=f"more than {MOST_SIDE_CHUNKS} chunks beside"):
        read_header(head + chunk(b"tEXt") * MOST_SIDE_CHUNKS)
    with pytest.raises(BadHeader, match=f"more than {MOST_PARTS} chunks"):
        read_header(head + chunk(b"IDAT") * MOST_PARTS)


MAGICS = st.sampled_from(
    [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        jpeg(9, 9),
        png(9, 9) + bytes(9) + chunk(b"IDAT"),
        webp(b"VP8L", b"\x2f" + bytes(4)),
        webp(b"VP8X", bytes(10)),
    ]
)


@given(
    MAGICS,
    st.lists(st.tuples(st.integers(0, 99), st.binary(max_size=4)), max_size=6),
    st.binary(max_size=200),
)
def test_no_bytes_break_the_reader(data: bytes, edits: list[tuple[int, bytes]], rest: bytes) -> None:
    spoiled = bytearray(data + rest)
    for at, value in edits:
        spoiled[at : at + len(value)] = value
    try:
        header = read_header(bytes(spoiled))
    except BadHeader:
        return
    assert header.pixel_count > 0


@given(MAGICS, st.binary(min_size=1, max_size=12))
@settings(max_examples=12, deadline=None)
def test_10_megabytes_of_any_pattern_are_read_in_bounded_time(data: bytes, pattern: bytes) -> None:
    flood = data[:33] + pattern * (10_000_000 // len(pattern))
    begin = time.thread_time()
    with contextlib.suppress(BadHeader):
        read_header(flood)
    # Of this thread, so that a busy machine does not count; one Python step per byte would take longer.
    assert time.thread_time() - begin < 0.5

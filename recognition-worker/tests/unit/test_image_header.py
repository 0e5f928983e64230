import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.image_header import BadHeader, ImageHeader, read_header


def jpeg(width: int, height: int, *, end: bytes = b"\xff\xd9") -> bytes:
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = b"\xff\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + app0 + frame + b"\xff\xda" + end


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
        (webp(b"VP9 ", bytes(20)), "unknown WebP chunk"),
        (webp(b"VP8L", b""), "ends within"),
    ],
)
def test_what_is_damaged_says_how(data: bytes, why: str) -> None:
    with pytest.raises(BadHeader, match=why):
        read_header(data)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]), st.binary(max_size=200))
def test_no_bytes_break_the_reader(magic: bytes, rest: bytes) -> None:
    try:
        header = read_header(magic + rest)
    except BadHeader:
        return
    assert header.pixel_count > 0

"""What is no JPEG, PNG or WebP at all, whatever its name says."""

import struct
from random import Random

from PIL import Image

from attendance_testing.hostile_images.pictures import Album, Kind, Make, moving, save, saved, zip_archive

REFUSED, POISON = "unsupported-image-type", "not JPEG, PNG or WebP"


def fixed(data: bytes) -> Make:
    return lambda _rng, _album: data


def begins(magic: bytes) -> Make:
    """Return noise behind the first bytes of a format."""
    return lambda rng, _album: magic + rng.randbytes(2_000)


def words(rng: Random, album: Album) -> bytes:
    return " ".join(rng.choice(("this", "is", "no", "photo", "but", "text")) for _ in range(200)).encode()


def gif(rng: Random, album: Album) -> bytes:
    frames = moving(album.photo(rng))
    return save(frames[0], "GIF", save_all=True, append_images=frames[1:])


def bmp_bomb(rng: Random, album: Album) -> bytes:
    bmp = save(Image.new("RGB", (8, 8)), "BMP")
    return bmp[:18] + struct.pack("<ii", 30_000, 30_000) + bmp[26:]


KINDS = (
    Kind("no bytes", fixed(b""), "empty-image", POISON),
    Kind("zero bytes only", lambda rng, _album: bytes(rng.randrange(1, 100_000)), REFUSED, POISON),
    Kind("noise", begins(b""), REFUSED, POISON),
    Kind("text named .jpg", words, REFUSED, POISON),
    Kind("HTML named .jpg", fixed(b"<!doctype html><title>502 Bad Gateway</title>" * 20), REFUSED, POISON),
    Kind("JSON named .jpg", fixed(b'{"error": "no camera"}'), REFUSED, POISON),
    Kind(
        "SVG", fixed(b'<?xml version="1.0"?><svg width="30000" height="30000"><rect/></svg>'), REFUSED, POISON
    ),
    Kind("GIF", saved("GIF"), REFUSED, POISON),
    Kind("GIF, animated", gif, REFUSED, POISON),
    Kind("BMP", saved("BMP"), REFUSED, POISON),
    Kind("BMP, 30,000 x 30,000", bmp_bomb, REFUSED, POISON),
    Kind("TIFF", saved("TIFF"), REFUSED, POISON),
    Kind("JPEG 2000", saved("JPEG2000"), REFUSED, POISON),
    Kind("AVIF", saved("AVIF", speed=10), REFUSED, POISON, every=5),
    Kind("HEIC", begins(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic"), REFUSED, POISON),
    Kind("JPEG XL", begins(b"\0\0\0\x0cJXL \r\n\x87\n"), REFUSED, POISON),
    Kind("MP4", begins(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"), REFUSED, POISON),
    Kind("AVI", begins(b"RIFF\xff\xff\0\0AVI LIST"), REFUSED, POISON),
    Kind("icon", saved("ICO", sizes=[(32, 32)]), REFUSED, POISON),
    Kind("portable pixmap", saved("PPM"), REFUSED, POISON),
    Kind("PDF", begins(b"%PDF-1.7\n"), REFUSED, POISON),
    Kind("ZIP", fixed(zip_archive()), REFUSED, POISON),
    Kind("gzip", begins(b"\x1f\x8b\x08\0"), REFUSED, POISON),
    Kind("start of a JPEG", fixed(b"\xff\xd8\xff"), "damaged-image-header", "ends within"),
    Kind("start of a PNG", fixed(b"\x89PNG\r\n\x1a\n"), "damaged-image-header", "ends within"),
    Kind("start of a WebP", fixed(b"RIFF\x20\0\0\0WEBP"), "damaged-image-header", "unknown WebP chunk"),
    Kind(
        "noise behind the start of a JPEG",
        begins(b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        "damaged-image-header | unsupported-image-coding",
        "marker was expected | ends within | cut off | not decoded",
    ),
    Kind(
        "noise behind the start of a PNG",
        begins(b"\x89PNG\r\n\x1a\n"),
        "damaged-image-header",
        "does not begin",
    ),
    Kind(
        "noise behind the start of a WebP",
        begins(b"RIFF\xff\xff\0\0WEBP"),
        "damaged-image-header",
        "unknown WebP chunk",
    ),
)

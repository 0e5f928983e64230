"""Hostile and unusual PNG files. Chunks: PNG Specification (Third Edition)."""

import struct
import zlib
from collections.abc import Iterator
from random import Random

import numpy as np
from PIL import Image

from attendance_testing.hostile_images.pictures import (
    Album,
    Kind,
    Make,
    exif,
    flip_bits,
    moving,
    png_chunk,
    save,
    saved,
    shuffle_bytes,
    zip_archive,
)

MAGIC = b"\x89PNG\r\n\x1a\n"
END = png_chunk(b"IEND", b"")
HEAD = len(MAGIC) + 25  # the magic and IHDR
# Adam7: first column, first row, steps.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def header(width: int, height: int, *, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    return MAGIC + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def rows(image: Image.Image) -> bytes:
    """Return the rows as they are compressed, each with filter 0."""
    raw, stride = image.tobytes(), len(image.getbands()) * image.width
    return b"".join(b"\0" + raw[at : at + stride] for at in range(0, len(raw), stride))


def honest(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "PNG", compress_level=1)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body."""
    at = len(MAGIC)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def with_chunks(*more: bytes) -> Make:
    """Return photos with chunks between header and pixels."""

    def make(rng: Random, album: Album) -> bytes:
        png = honest(rng, album)
        return png[:HEAD] + b"".join(more) + png[HEAD:]

    return make


def sixteen_bits(rng: Random, album: Album) -> bytes:
    pixels = np.asarray(album.photo(rng)).astype(">u2") * 257
    coded = b"".join(b"\0" + row.tobytes() for row in pixels)
    size = pixels.shape[1], pixels.shape[0]
    return header(*size, depth=16) + png_chunk(b"IDAT", zlib.compress(coded, 1)) + END


def interlaced(rng: Random, album: Album) -> bytes:
    pixels = np.asarray(album.photo(rng))
    passes = (pixels[y::down, x::across] for x, y, across, down in PASSES)
    coded = zlib.compress(b"".join(rows(Image.fromarray(each)) for each in passes), 1)
    return header(pixels.shape[1], pixels.shape[0], interlaced=1) + png_chunk(b"IDAT", coded) + END


def size_claim(width: int, height: int, pixels: bytes = b"\0") -> Make:
    coded = zlib.compress(pixels)
    return lambda rng, _album: header(width, height) + png_chunk(b"IDAT", coded + rng.randbytes(4)) + END


def head_change(**changes: int) -> Make:
    """Return photos whose header, with a right checksum, says something else."""

    def make(rng: Random, album: Album) -> bytes:
        png = honest(rng, album)
        return header(*struct.unpack_from(">II", png, 16), **changes) + png[HEAD:]

    return make


def wrong_checksum(at: int) -> Make:
    """Return photos whose header (at < HEAD) or pixels have a wrong checksum."""

    def make(rng: Random, album: Album) -> bytes:
        png = bytearray(honest(rng, album))
        png[at] ^= 1 + rng.randrange(255)
        return bytes(png)

    return make


def cut(first: int, end: bytes = b"") -> Make:
    """Return photos cut somewhere behind byte `first`; 8 to 32 is in the header."""

    def make(rng: Random, album: Album) -> bytes:
        png = honest(rng, album)
        last = HEAD + 8 if first < HEAD else len(png) - 20
        return png[: rng.randrange(first, last)] + end

    return make


def without(kind: bytes) -> Make:
    return lambda rng, album: (
        MAGIC
        + b"".join(png_chunk(found, body) for found, body in chunks(honest(rng, album)) if found != kind)
    )


def crumbs(size: int) -> Make:
    """Return photos whose pixels come in chunks of `size` bytes."""

    def make(rng: Random, album: Album) -> bytes:
        png = honest(rng, album)
        coded = b"".join(body for kind, body in chunks(png) if kind == b"IDAT")
        parts = (png_chunk(b"IDAT", coded[at : at + size]) for at in range(0, len(coded), size))
        return png[:HEAD] + b"".join(parts) + END

    return make


def animated(rng: Random, album: Album) -> bytes:
    frames = moving(album.photo(rng))
    return save(frames[0], "PNG", save_all=True, append_images=frames[1:])


def turned(rng: Random, album: Album) -> bytes:
    photo = album.photo(rng).transpose(Image.Transpose.ROTATE_90)
    png = save(photo, "PNG", compress_level=1)
    return png[:HEAD] + png_chunk(b"eXIf", exif(6)) + png[HEAD:]


def large(mode: str) -> Make:
    return lambda rng, _album: save(
        Image.new(mode, (7_000, 7_000), tuple(rng.randbytes(len(mode)))), "PNG", compress_level=1
    )


def bomb_of(kind: bytes, before: bytes) -> bytes:
    return png_chunk(kind, before + zlib.compress(bytes(5_000_000)))


ANY_DAMAGE = "accepted | damaged-image-header | animated-image"
ANY_ENDING = "decoded | damaged | ends within | does not begin | animated | pixels | size of"

KINDS = (
    Kind("png", honest, "accepted", "face"),
    Kind("png, named .jpg", honest, "accepted", "face"),
    Kind("png, grey", saved("PNG", "L"), "accepted", "face"),
    Kind("png, grey with alpha", saved("PNG", "LA"), "accepted", "face"),
    Kind("png, alpha", saved("PNG", "RGBA"), "accepted", "face"),
    Kind("png, palette", lambda rng, album: save(album.photo(rng).quantize(128), "PNG"), "accepted", "face"),
    Kind(
        "png, palette with alpha",
        lambda rng, album: save(album.photo(rng).quantize(128), "PNG", transparency=3),
        "accepted",
        "face",
    ),
    Kind("png, 1 bit", saved("PNG", "1"), "accepted", "decoded"),
    Kind("png, 16 bits", sixteen_bits, "accepted", "face"),
    Kind("png, 16 bits, grey", saved("PNG", "I;16"), "accepted", "decoded"),
    Kind("png, interlaced", interlaced, "accepted", "face"),
    Kind("png, EXIF orientation 6", turned, "accepted", "decoded", "face"),
    Kind("png, animated", animated, "animated-image", "animated"),
    Kind(
        "png, ICC profile that is none",
        with_chunks(png_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"none"))),
        "accepted",
        "face",
    ),
    Kind("png, ICC profile that inflates", with_chunks(bomb_of(b"iCCP", b"a\0\0")), "accepted", "face"),
    Kind(
        "png, text that inflates",
        with_chunks(bomb_of(b"zTXt", b"a\0\0"), bomb_of(b"iTXt", b"a\0\1\0\0\0")),
        "accepted",
        "face",
    ),
    Kind(
        "png, 1,000 texts that inflate",
        with_chunks(*[bomb_of(b"zTXt", b"a\0\0")] * 1_000),
        "accepted",
        "more than 64 chunks",
        "face",
        every=5,
    ),
    Kind("png, text of 3 MB", with_chunks(png_chunk(b"tEXt", b"a\0" + b"x" * 3_000_000)), "accepted", "face"),
    Kind("png and ZIP", lambda rng, album: honest(rng, album) + zip_archive(), "accepted", "face"),
    Kind("png, pixels in chunks of 64 bytes", crumbs(64), "accepted", "face"),
    Kind(
        "png, 100,000 empty texts",
        with_chunks(png_chunk(b"tEXt", b"a\0") * 100_000),
        "image-too-complex",
        "more than 64 chunks",
    ),
    Kind(
        "png, 100,000 empty pixel chunks",
        with_chunks(png_chunk(b"IDAT", b"") * 100_000),
        "image-too-complex",
        "more than 16384 chunks",
    ),
    Kind("png, cut in its header", cut(8), "damaged-image-header", "ends within | damaged"),
    Kind("png, cut in its pixels", cut(HEAD + 9), "accepted", "damaged"),
    Kind("png, cut, with an end put on", cut(HEAD + 9, END), "accepted", "damaged"),
    Kind("png, no pixels", without(b"IDAT"), "damaged-image-header", "damaged"),
    Kind("png, no header", without(b"IHDR"), "damaged-image-header", "does not begin"),
    Kind("png, wrong checksum of its header", wrong_checksum(30), "damaged-image-header", "damaged"),
    Kind("png, wrong checksum of its pixels", wrong_checksum(HEAD + 200), "accepted", "damaged"),
    Kind("png, colour type 5", head_change(colour=5), "damaged-image-header", "damaged"),
    Kind("png, 3 bits", head_change(depth=3), "damaged-image-header", "damaged"),
    Kind("png, palette missing", head_change(colour=3), "accepted", "damaged"),
    Kind("png, interlacing claimed", head_change(interlaced=1), "accepted", "decoded | damaged"),
    Kind("png, 0 x 5", size_claim(0, 5), "damaged-image-header", "size of 0 x 5"),
    Kind("png, 1 x 1", size_claim(1, 1, bytes(4)), "image-too-small", "no face fits"),
    Kind("png, 30,000 x 1", size_claim(30_000, 1, bytes(90_001)), "image-too-small", "no face fits"),
    Kind("png, 30,000 x 30,000", size_claim(30_000, 30_000), "too-many-pixels", "30000 x 30000"),
    Kind("png, 2 billion x 2 billion", size_claim(2**31 - 1, 2**31 - 1), "too-many-pixels", "pixels large"),
    Kind(
        "png, pixels that go on",
        size_claim(64, 64, bytes(20_000_000)),
        "accepted",
        "decoded | damaged",
        every=5,
    ),
    Kind("png, 49 megapixels", large("RGB"), "accepted", "no face", every=30),
    Kind("png, 49 megapixels, alpha", large("RGBA"), "accepted", "no face", every=30),
    Kind(
        "png, bits flipped", lambda rng, album: flip_bits(honest(rng, album), rng, 8), ANY_DAMAGE, ANY_ENDING
    ),
    Kind(
        "png, bytes mixed up",
        lambda rng, album: MAGIC + shuffle_bytes(honest(rng, album)[8:], rng),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
)

"""Hostile and unusual WebP files. Chunks: RFC 9649."""

import struct
from random import Random

from PIL import Image

from attendance_testing.hostile_images.pictures import (
    Album,
    Kind,
    Make,
    exif,
    flip_bits,
    moving,
    riff,
    save,
    saved,
    shuffle_bytes,
    webp_chunk,
)

CANVAS_AT = 24  # of an extended file: three bytes of width less 1, three of height less 1
START = 12


def honest(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "WEBP", quality=85, method=0)


def lossless(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "WEBP", lossless=True, quality=0, method=0)


def extended(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "WEBP", quality=85, method=0, exif=b"Exif\0\0" + exif(1))


def turned(rng: Random, album: Album) -> bytes:
    photo = album.photo(rng).transpose(Image.Transpose.ROTATE_90)
    return save(photo, "WEBP", quality=85, method=0, exif=b"Exif\0\0" + exif(6))


def animated(rng: Random, album: Album) -> bytes:
    frames = moving(album.photo(rng))
    return save(frames[0], "WEBP", save_all=True, append_images=frames[1:], method=0)


def animated_unmarked(rng: Random, album: Album) -> bytes:
    webp = bytearray(animated(rng, album))
    webp[20] &= ~0x02
    return bytes(webp)


def canvas_claim(width: int, height: int, make: Make = extended) -> Make:
    """Return photos whose canvas claims another size."""

    def claim(rng: Random, album: Album) -> bytes:
        webp = bytearray(make(rng, album))
        webp[CANVAS_AT : CANVAS_AT + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(
            3, "little"
        )
        return bytes(webp)

    return claim


def lossless_claim(width: int, height: int) -> Make:
    bits = (width - 1) | (height - 1) << 14
    return lambda rng, _album: riff(
        webp_chunk(b"VP8L", b"\x2f" + struct.pack("<I", bits) + rng.randbytes(40))
    )


def lossy_claim(width: int, height: int) -> Make:
    def make(rng: Random, album: Album) -> bytes:
        webp = honest(rng, album)
        return webp[:26] + struct.pack("<HH", width, height) + webp[30:]

    return make


def inter_frame(rng: Random, album: Album) -> bytes:
    webp = bytearray(honest(rng, album))
    webp[20] |= 1
    return bytes(webp)


def cut(first: int, *, sized: bool = False) -> Make:
    """Return photos cut somewhere behind byte `first`; 4 to 24 is in the header. sized: RIFF agrees."""

    def make(rng: Random, album: Album) -> bytes:
        webp = honest(rng, album)
        part = webp[: rng.randrange(first, START + 12 if first < START + 12 else len(webp) - 20)]
        return riff(part[START:]) if sized else part

    return make


def riff_size(size: int) -> Make:
    def make(rng: Random, album: Album) -> bytes:
        webp = honest(rng, album)
        return webp[:4] + struct.pack("<I", size) + webp[8:]

    return make


def around(before: bytes = b"", after: bytes = b"") -> Make:
    """Return photos with chunks before and behind the picture."""
    return lambda rng, album: riff(before, honest(rng, album)[START:], after)


def two_pictures(rng: Random, album: Album) -> bytes:
    return riff(honest(rng, album)[START:], honest(rng, album)[START:])


def large(rng: Random, album: Album) -> bytes:
    return save(
        Image.new("RGB", (7_000, 7_000), tuple(rng.randbytes(3))), "WEBP", lossless=True, quality=0, method=0
    )


ANY_DAMAGE = (
    "accepted | damaged-image-header | animated-image | unsupported-image-type | too-many-pixels | "
    "image-too-small | image-too-complex"
)
ANY_ENDING = "decoded | damaged | ends within | unknown WebP chunk | animated | pixels | not JPEG"

KINDS = (
    Kind("webp", honest, "accepted", "face"),
    Kind("webp, lossless", lossless, "accepted", "face"),
    Kind("webp, alpha", saved("WEBP", "RGBA", method=0), "accepted", "face"),
    Kind("webp, named .jpg", honest, "accepted", "face"),
    Kind("webp, EXIF orientation 6", turned, "accepted", "decoded", "face"),
    Kind("webp, animated", animated, "animated-image", "animated"),
    Kind("webp, animated, not marked so", animated_unmarked, "damaged-image-header", "damaged"),
    Kind(
        "webp, animated, canvas of 16,000 x 16,000",
        canvas_claim(16_000, 16_000, animated),
        "animated-image",
        "animated",
    ),
    Kind("webp, canvas smaller than its picture", canvas_claim(40, 40), "damaged-image-header", "damaged"),
    Kind(
        "webp, canvas larger than its picture", canvas_claim(3_000, 3_000), "damaged-image-header", "damaged"
    ),
    Kind(
        "webp, canvas of 30,000 x 30,000",
        canvas_claim(30_000, 30_000),
        "damaged-image-header",
        "30000 x 30000",
    ),
    Kind(
        "webp, lossless, 16,383 x 16,383", lossless_claim(16_383, 16_383), "too-many-pixels", "16383 x 16383"
    ),
    Kind("webp, 16,383 x 16,383", lossy_claim(16_383, 16_383), "too-many-pixels", "16383 x 16383"),
    Kind("webp, claims to be larger than it is", lossy_claim(2_000, 2_000), "accepted", "damaged"),
    Kind(
        "webp, 1 x 1",
        lambda rng, album: save(album.photo(rng).resize((1, 1)), "WEBP"),
        "image-too-small",
        "no face fits",
    ),
    Kind(
        "webp, 1 x 16,000",
        lambda rng, album: save(album.photo(rng).resize((1, 16_000)), "WEBP", method=0),
        "image-too-small",
        "no face fits",
    ),
    Kind("webp, 0 x 0", lossy_claim(0, 0), "damaged-image-header", "size of 0 x 0"),
    Kind("webp, inter frame", inter_frame, "damaged-image-header", "damaged"),
    Kind(
        "webp, cut in its header",
        cut(START + 1),
        "damaged-image-header",
        "ends within | unknown WebP chunk | damaged",
    ),
    Kind("webp, cut in its pixels", cut(60), "accepted", "damaged"),
    Kind("webp, cut, with its size put right", cut(60, sized=True), "accepted", "damaged"),
    Kind("webp, RIFF size of 4 GB", riff_size(2**32 - 2), "accepted", "decoded | damaged", "face"),
    Kind("webp, RIFF size of 0", riff_size(0), "damaged-image-header", "damaged"),
    Kind(
        "webp, unknown chunk first",
        around(webp_chunk(b"junk", b"junk")),
        "accepted",
        "unknown WebP chunk",
        "face",
    ),
    Kind(
        "webp, ICC profile without a canvas",
        around(webp_chunk(b"ICCP", b"none")),
        "damaged-image-header",
        "unknown WebP chunk",
    ),
    Kind(
        "webp, 100,000 empty chunks",
        around(after=webp_chunk(b"junk", b"") * 100_000),
        "image-too-complex",
        "face",
    ),
    Kind("webp, two pictures", two_pictures, "damaged-image-header", "face"),
    Kind(
        "webp and a script",
        lambda rng, album: honest(rng, album) + b"<script>alert(1)</script>",
        "accepted",
        "face",
    ),
    Kind("webp, 49 megapixels", large, "accepted", "no face", every=30),
    Kind(
        "webp, bits flipped",
        lambda rng, album: flip_bits(honest(rng, album), rng, START),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
    Kind(
        "webp, lossless, bits flipped",
        lambda rng, album: flip_bits(lossless(rng, album), rng, START),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
    Kind(
        "webp, bytes mixed up",
        lambda rng, album: honest(rng, album)[:START] + shuffle_bytes(honest(rng, album)[START:], rng),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
)

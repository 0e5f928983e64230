"""Hostile and unusual JPEG files. Markers and segments: ITU-T T.81, annex B."""

import base64
import re
import struct
from random import Random

from PIL import Image, ImageChops

from attendance_testing.hostile_images.pictures import (
    Album,
    Kind,
    Make,
    exif,
    flip_bits,
    save,
    saved,
    segment,
    shuffle_bytes,
    zip_archive,
)

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SCAN_HEADER = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
# 64 x 48 pixels, written by jpegtran -arithmetic; Pillow writes Huffman codes only.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
    "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHz/yQARCAAwAEADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDBy2zPLaRPfiB0iRXNHmlXxRGU/uHs"
    "at+dQnssMKrV/WqBxsHyrmLhf1Gjmj0uZwIahNT4gLAJ16N90MtsaE11tV7GL0tm9769vd9eibAGbDDVmhePYuyf4tytnWh1s58x"
    "KxnRqygavc/rcQmWtuJ1AagSXbV21eeK23rHtTWtPH5oR77Dj1B3al0zTqA8cLVoe0RmvP4htNtHmTM/yULPjsRrtAdQMsF9imPN"
    "sV0VqllTi4h1WnGzYrlRx0nKt+fFTgLy/9k="
)


def insert(jpeg: bytes, *segments: bytes) -> bytes:
    """Put segments behind the start of the image."""
    return SOI + b"".join(segments) + jpeg[len(SOI) :]


def with_segments(*segments: bytes) -> Make:
    return lambda rng, album: insert(honest(rng, album), *segments)


def honest(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "JPEG", quality=rng.choice((75, 85, 95)))


def progressive(rng: Random, album: Album) -> bytes:
    return save(album.photo(rng), "JPEG", progressive=True)


def frame_of(jpeg: bytes) -> int:
    """Return where the frame header begins."""
    return min(at for at in (jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) if at > 0)


def scans_of(jpeg: bytes) -> list[int]:
    """Return where the scans begin."""
    return [found.start() for found in re.finditer(rb"\xff\xda", jpeg)]


def oriented(orientation: int, order: str) -> Make:
    """Return photos stored turned as a camera would, so that the tag makes them upright."""
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}

    def make(rng: Random, album: Album) -> bytes:
        photo = album.photo(rng)
        stored = photo.transpose(turns[orientation]) if orientation in turns else photo
        return save(stored, "JPEG", quality=90, exif=b"Exif\0\0" + exif(orientation, order=order))

    return make


def ycck(rng: Random, album: Album) -> bytes:
    """Return what print shops send: luma and chroma of the inverted inks, and black, under Adobe's mark 2."""
    luma, blue, red = ImageChops.invert(album.photo(rng)).convert("YCbCr").split()
    black = Image.new("L", luma.size, 255)
    # Pillow inverts CMYK when it writes; inverting beforehand leaves these numbers as they are.
    planes = [ImageChops.invert(plane) for plane in (luma, blue, red, black)]
    jpeg = save(Image.merge("CMYK", planes), "JPEG", quality=90)
    mark = jpeg.index(b"Adobe") + 11
    return jpeg[:mark] + b"\x02" + jpeg[mark + 1 :]


def size_claim(width: int, height: int) -> Make:
    """Return photos whose header claims another size."""

    def make(rng: Random, album: Album) -> bytes:
        jpeg = honest(rng, album)
        at = frame_of(jpeg) + 5
        return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]

    return make


def frame_change(at: int, value: int) -> Make:
    """Return photos with another byte in the frame header: 1 kind, 4 precision, 9 number of components."""

    def make(rng: Random, album: Album) -> bytes:
        jpeg = bytearray(honest(rng, album))
        jpeg[frame_of(bytes(jpeg)) + at] = value
        return bytes(jpeg)

    return make


def cut_in_header(rng: Random, album: Album) -> bytes:
    jpeg = honest(rng, album)
    return jpeg[: rng.randrange(3, scans_of(jpeg)[0])]


def cut_in_pixels(rng: Random, album: Album) -> bytes:
    jpeg = honest(rng, album)
    return jpeg[: rng.randrange(scans_of(jpeg)[0] + 20, len(jpeg) - len(EOI))]


def cut_and_ended(rng: Random, album: Album) -> bytes:
    return cut_in_pixels(rng, album) + EOI


def scans_missing(rng: Random, album: Album) -> bytes:
    jpeg = progressive(rng, album)
    return jpeg[: rng.choice(scans_of(jpeg)[1:])] + EOI


def first_scan_missing(rng: Random, album: Album) -> bytes:
    jpeg = progressive(rng, album)
    first, second = scans_of(jpeg)[:2]
    return jpeg[:first] + jpeg[second:]


def without(marker: int) -> Make:
    """Return photos without any segment of a kind before the pixels."""

    def make(rng: Random, album: Album) -> bytes:
        jpeg = honest(rng, album)
        kept, at, scan = [SOI], len(SOI), scans_of(jpeg)[0]
        while at < scan:
            end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
            if jpeg[at + 1] != marker:
                kept.append(jpeg[at:end])
            at = end
        return b"".join(kept) + jpeg[scan:]

    return make


def scan_bomb(rng: Random, album: Album) -> bytes:
    """Return 49 megapixels in 7,000 scans of 71 bytes; each takes the decoder some milliseconds."""
    side, scans = 7_000, rng.randrange(5_000, 7_000)
    blocks = (side // 8) ** 2
    runs = "".join(f"0{min(left, 32_767) - 16_384:014b}" for left in range(blocks, 16_384, -32_767))
    runs += "1" * (-len(runs) % 8)
    coded = int(runs, 2).to_bytes(len(runs) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"".join(
        (
            SOI,
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\x01\x11\x00"),
            segment(0xC4, b"\x00" + b"\1" + bytes(15) + b"\x00"),
            segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\xe0"),
            segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + bytes(-(-blocks // 8)),
            (segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + coded) * scans,
            EOI,
        )
    )


def baseline_scan_flood(rng: Random, album: Album) -> bytes:
    jpeg = honest(rng, album)
    scan = scans_of(jpeg)[0]
    return jpeg[: -len(EOI)] + jpeg[scan : scan + 400] * rng.randrange(100, 200) + EOI


def large(rng: Random, album: Album) -> bytes:
    return save(Image.new("RGB", (7_000, 7_000), tuple(rng.randbytes(3))), "JPEG", quality=20)


def large_progressive(rng: Random, album: Album) -> bytes:
    return save(
        Image.new("RGB", (7_000, 7_000), tuple(rng.randbytes(3))), "JPEG", progressive=True, subsampling=0
    )


def second_frame(rng: Random, album: Album) -> bytes:
    jpeg = honest(rng, album)
    at = frame_of(jpeg)
    return insert(jpeg, jpeg[at : at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")])


def noise_between(rng: Random, album: Album) -> bytes:
    jpeg = honest(rng, album)
    at = frame_of(jpeg)
    return jpeg[:at] + b"noise" + jpeg[at:]


def two_pictures(rng: Random, album: Album) -> bytes:
    return honest(rng, album) + honest(rng, album)


def trailing(what: bytes) -> Make:
    return lambda rng, album: honest(rng, album) + what


def thumbnail(rng: Random, album: Album) -> bytes:
    """Return a photo cut off, whose EXIF holds a whole thumbnail with an end marker of its own."""
    small = album.photo(rng).resize((60, 60))
    return insert(cut_in_pixels(rng, album), segment(0xE1, b"Exif\0\0" + exif(1) + save(small, "JPEG")))


PROFILE = segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"no profile at all" * 20)
PROFILE_PARTS = [segment(0xE2, b"ICC_PROFILE\0" + bytes((part, 3)) + bytes(60_000)) for part in (3, 9, 1)]
TEXT = b"<script>alert(1)</script><?php system('ls'); ?>"
ANY_DAMAGE = "accepted | damaged-image-header | unsupported-image-coding | too-many-pixels | image-too-small"
ANY_ENDING = (
    "decoded | damaged | cut off | marker was expected | ends within | not decoded | pixels | scans | "
    "frame | size of"
)

KINDS = (
    Kind("jpeg", honest, "accepted", "face"),
    Kind("jpeg, grey", saved("JPEG", "L"), "accepted", "face"),
    Kind("jpeg, CMYK", saved("JPEG", "CMYK"), "accepted", "face"),
    Kind("jpeg, YCCK", ycck, "accepted", "face"),
    Kind("jpeg, progressive", progressive, "accepted", "face"),
    Kind("jpeg, arithmetic coding", lambda _rng, _album: ARITHMETIC, "accepted", "no face"),
    Kind("jpeg, restart markers", saved("JPEG", restart_marker_blocks=1), "accepted", "face"),
    Kind("jpeg, 4:4:4", saved("JPEG", subsampling=0), "accepted", "face"),
    *(
        Kind(
            f"jpeg, EXIF orientation {number}",
            oriented(number, "<>"[number % 2]),
            "accepted",
            "decoded",
            "face",
        )
        for number in range(1, 9)
    ),
    Kind(
        "jpeg, EXIF of 1 MB",
        with_segments(*[segment(0xE1, b"Exif\0\0" + exif(1) + bytes(65_000))] * 16),
        "accepted",
        "face",
    ),
    Kind(
        "jpeg, EXIF that is noise",
        lambda rng, album: insert(honest(rng, album), segment(0xE1, b"Exif\0\0" + rng.randbytes(300))),
        "accepted",
        "face",
    ),
    Kind(
        "jpeg, EXIF that points into itself",
        with_segments(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 8_000)),
        "accepted",
        "face",
    ),
    Kind("jpeg, ICC profile that is none", with_segments(PROFILE), "accepted", "face"),
    Kind("jpeg, ICC profile with wrong parts", with_segments(*PROFILE_PARTS), "accepted", "face"),
    Kind("jpeg, comments of 3 MB", with_segments(*[segment(0xFE, b"x" * 65_000)] * 48), "accepted", "face"),
    Kind("jpeg, fill bytes of 1 MB", with_segments(b"\xff" * 1_000_000), "accepted", "face"),
    Kind("jpeg, ends twice", two_pictures, "accepted", "face"),
    Kind("jpeg and ZIP", trailing(zip_archive()), "accepted", "face"),
    Kind("jpeg and HTML", trailing(b"<html>" + TEXT), "accepted", "face"),
    Kind("jpeg, script in a comment", with_segments(segment(0xFE, TEXT)), "accepted", "face"),
    Kind(
        "jpeg, cut in its header",
        cut_in_header,
        "damaged-image-header",
        "ends within | marker was expected | cut off",
    ),
    Kind("jpeg, cut in its pixels", cut_in_pixels, "accepted", "cut off"),
    Kind("jpeg, cut, with a whole thumbnail", thumbnail, "accepted", "cut off"),
    Kind("jpeg, cut, with an end put on", cut_and_ended, "accepted", "decoded"),
    Kind("jpeg, progressive without its last scans", scans_missing, "accepted", "decoded"),
    Kind("jpeg, progressive without its first scan", first_scan_missing, "accepted", "decoded | damaged"),
    Kind("jpeg, no quantisation tables", without(0xDB), "accepted", "damaged"),
    Kind("jpeg, no Huffman tables", without(0xC4), "accepted", "decoded | damaged"),
    Kind("jpeg, no frame header", without(0xC0), "damaged-image-header", "no frame header"),
    Kind("jpeg, two frame headers", second_frame, "accepted", "damaged"),
    Kind("jpeg, noise between segments", noise_between, "damaged-image-header", "marker was expected"),
    Kind("jpeg, lossless", frame_change(1, 0xC3), "unsupported-image-coding", "not decoded"),
    Kind("jpeg, hierarchical", frame_change(1, 0xC5), "unsupported-image-coding", "not decoded"),
    Kind("jpeg, 12 bits", frame_change(4, 12), "unsupported-image-coding", "not decoded"),
    Kind("jpeg, two components", frame_change(9, 2), "unsupported-image-coding", "not decoded"),
    Kind("jpeg, 0 x 0", size_claim(0, 0), "damaged-image-header", "size of 0 x 0"),
    Kind("jpeg, 30,000 x 30,000", size_claim(30_000, 30_000), "too-many-pixels", "30000 x 30000"),
    Kind("jpeg, 65,535 x 65,535", size_claim(65_535, 65_535), "too-many-pixels", "65535 x 65535"),
    Kind(
        "jpeg, 1 x 1",
        lambda rng, album: save(album.photo(rng).resize((1, 1)), "JPEG"),
        "image-too-small",
        "no face fits",
    ),
    Kind(
        "jpeg, 1 x 30,000",
        lambda rng, album: save(album.photo(rng).resize((1, 30_000)), "JPEG"),
        "image-too-small",
        "no face fits",
    ),
    Kind("jpeg, claims to be larger than it is", size_claim(2_000, 2_000), "accepted", "decoded"),
    Kind("jpeg, 7,000 scans", scan_bomb, "image-too-complex", "more than 64 scans", every=5),
    Kind(
        "jpeg, baseline scans over and over", baseline_scan_flood, "image-too-complex", "more than 64 scans"
    ),
    Kind(
        "jpeg, 100,000 comments",
        with_segments(segment(0xFE, b"") * 100_000),
        "image-too-complex",
        "more than 16384 segments",
    ),
    Kind(
        "jpeg, 100,000 bare markers",
        with_segments(b"\xff\x01" * 100_000),
        "image-too-complex",
        "more than 16384 segments",
    ),
    Kind("jpeg, over 10 MiB", trailing(bytes(10 * 1024 * 1024)), "image-too-large", "face", every=5),
    Kind("jpeg, over 20 MB", trailing(bytes(20_000_000)), "image-too-large", "bytes", every=5),
    Kind("jpeg, 49 megapixels", large, "accepted", "no face", every=30),
    Kind("jpeg, 49 megapixels, progressive", large_progressive, "accepted", "no face", every=30),
    Kind(
        "jpeg, bits flipped", lambda rng, album: flip_bits(honest(rng, album), rng, 3), ANY_DAMAGE, ANY_ENDING
    ),
    Kind(
        "jpeg, progressive, bits flipped",
        lambda rng, album: flip_bits(progressive(rng, album), rng, 3),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
    Kind(
        "jpeg, bytes mixed up",
        lambda rng, album: SOI + b"\xff" + shuffle_bytes(honest(rng, album)[3:], rng),
        ANY_DAMAGE,
        ANY_ENDING,
    ),
)

"""The honest pictures that the hostile ones are made from, and what writes and spoils them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFilter

TEXTURE_SIZE = (160, 120)


@dataclass(frozen=True)
class Album:
    """Photos to choose from. has_faces: the detector finds a face in each."""

    photos: tuple[Image.Image, ...]
    has_faces: bool

    def photo(self, rng: Random) -> Image.Image:
        return rng.choice(self.photos)


Make = Callable[[Random, Album], bytes]


@dataclass(frozen=True)
class Kind:
    """One kind of hostile image.

    door: "accepted" or the slug of ingest's problem. worker: what recognition makes of the bytes as they
    are: "face", "no face", "decoded" (either), or words of the reason for the dead letter. accepted: what it
    makes of them as ingest stored them, when that differs. Several, separated by " | ", where chance decides.
    every: made in one round of so many, because it is costly.
    """

    name: str
    make: Make
    door: str
    worker: str
    accepted: str = ""
    every: int = 1


def album_of(faces_dir: Path, count: int = 12) -> Album:
    """Return photos of people, or painted textures where there are none."""
    files = sorted(faces_dir.glob("known/*/1.jpg"))[:count]
    if files:
        return Album(tuple(Image.open(file).convert("RGB") for file in files), has_faces=True)
    return Album(tuple(_texture(seed) for seed in range(count)), has_faces=False)


def _texture(seed: int) -> Image.Image:
    rng = Random(seed)
    image = Image.new("RGB", TEXTURE_SIZE, (90, 110, 130))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.randrange(TEXTURE_SIZE[0]), rng.randrange(TEXTURE_SIZE[1])
        draw.ellipse((x, y, x + rng.randrange(5, 60), y + rng.randrange(5, 60)), tuple(rng.randbytes(3)))
    return image.filter(ImageFilter.GaussianBlur(2))


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    """Write with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def saved(kind: str, mode: str = "RGB", **options: object) -> Make:
    """Return the maker of honest files of a format and mode."""
    return lambda rng, album: save(album.photo(rng).convert(mode), kind, **options)


def moving(photo: Image.Image) -> list[Image.Image]:
    """Return three frames, no two alike; writers merge those that are."""
    small = photo.resize((64, 64))
    return [small, small.rotate(90), small.rotate(180)]


def flip_bits(data: bytes, rng: Random, first: int = 0) -> bytes:
    """Flip 1 to 64 bits from byte `first` on."""
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        spoiled[rng.randrange(first, len(data))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def shuffle_bytes(data: bytes, rng: Random) -> bytes:
    """Delete, repeat, zero or overwrite a stretch somewhere."""
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randrange(1, 400))
    stretch = data[start:end]
    instead = rng.choice(
        (b"", stretch * 2, bytes(len(stretch)), rng.randbytes(len(stretch)), b"\xff" * len(stretch))
    )
    return data[:start] + instead + data[end:]


def exif(orientation: int = 6, *, order: str = ">") -> bytes:
    """Return a TIFF block with one tag, the orientation."""
    head = b"MM\0*" if order == ">" else b"II*\0"
    return head + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def segment(marker: int, body: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a WebP."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    """Return a WebP of chunks."""
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def zip_archive() -> bytes:
    """Return an archive as polyglots carry it: readable from its end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run.sh", "echo hello\n")
    return buffer.getvalue()

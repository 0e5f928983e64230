"""All kinds in one table, and as many images of them as are wanted."""

from collections.abc import Iterator
from itertools import count, islice
from random import Random

from attendance_testing.hostile_images import jpegs, others, pngs, webps
from attendance_testing.hostile_images.pictures import Album, Kind

# What ingest allows unless its settings say otherwise.
LIMIT_BYTES, LIMIT_PIXELS, LIMIT_SIDE_PX = 10 * 1024 * 1024, 50_000_000, 32

KINDS: tuple[Kind, ...] = (*others.KINDS, *jpegs.KINDS, *pngs.KINDS, *webps.KINDS)


def example(kind: Kind, album: Album, seed: int = 0, number: int = 0) -> bytes:
    """Return the image of a kind with a number; the same one for the same seed."""
    return kind.make(Random(f"{seed}/{kind.name}/{number}"), album)


def corpus(images: int, album: Album, seed: int = 0) -> Iterator[tuple[Kind, bytes]]:
    """Yield so many images, round after round of all kinds; costly kinds not in each round."""
    rounds = (
        (kind, example(kind, album, seed, number))
        for number in count()
        for kind in KINDS
        if number % kind.every == 0
    )
    return islice(rounds, images)

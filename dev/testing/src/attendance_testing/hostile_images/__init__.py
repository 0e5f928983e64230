"""Images that devices should never send, many of each kind, the same ones for the same seed.

Each kind says what both services must make of it: `door` is what ingest answers, `worker` is what recognition
makes of the same bytes when they come into the store by other means.
"""

from attendance_testing.hostile_images.corpus import (
    KINDS,
    LIMIT_BYTES,
    LIMIT_PIXELS,
    LIMIT_SIDE_PX,
    Kind,
    corpus,
    example,
)
from attendance_testing.hostile_images.pictures import Album, album_of

__all__ = [
    "KINDS",
    "LIMIT_BYTES",
    "LIMIT_PIXELS",
    "LIMIT_SIDE_PX",
    "Album",
    "Kind",
    "album_of",
    "corpus",
    "example",
]

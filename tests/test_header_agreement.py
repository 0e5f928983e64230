"""What ingest stores is not refused by the worker for its header: both read files the same way."""

from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from attendance_testing.hostile_images import KINDS, album_of
from ingest.domain.acceptable_image import ImageLimits, clean_image
from ingest.errors import RefusedImage
from recognition_worker.domain.image_header import BadHeader, ImageHeader, read_header

LIMITS = ImageLimits(10_000_000, 50_000_000, 1)
ALBUM = album_of(Path("no photos"), count=2)
SMALL = 200_000
FILES = [
    data
    for kind in KINDS
    if kind.every == 1
    for data in [kind.make(Random(7), ALBUM)]
    if 32 < len(data) < SMALL
]
EDITS = st.lists(
    st.tuples(st.one_of(st.integers(0, 400), st.integers(0, SMALL)), st.binary(min_size=1, max_size=4)),
    max_size=5,
)


@given(st.sampled_from(FILES), EDITS, st.one_of(st.none(), st.integers(1, SMALL)))
@settings(max_examples=600, deadline=None)
def test_what_ingest_stores_has_a_header_the_worker_reads(file, edits, end):
    spoiled = bytearray(file[:end])
    for at, value in edits:
        spoiled[at : at + len(value)] = value
    try:
        stored = clean_image(bytes(spoiled), LIMITS)
    except RefusedImage:
        return
    try:
        header = read_header(stored.data)
    except BadHeader as error:
        # A body that is cut off is accepted as evidence; the worker names it.
        assert "cut off" in str(error)
        return
    assert header == ImageHeader(stored.media_type, stored.width, stored.height)

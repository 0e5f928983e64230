"""What a file of the archive holds: of which topic, which offsets, which are not there and why, its checksum.

A file covers offsets from its first, which names it, to its end. The next file is named by that end, so
every writer continues what is there: no offset is covered twice, and none is passed over without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal[1] = 1
_STRICT = ConfigDict(frozen=True, extra="forbid")

Why = Literal["before", "lost", "absent"]
"""Why offsets have no record.

before: they expired before the archive began. lost: they expired before they were archived. absent: the log
has no record there (compaction, or the end of a transaction).
"""


class Gap(BaseModel):
    """Offsets of a file without a record, the end exclusive."""

    model_config = _STRICT

    first: int = Field(ge=0)
    end: int = Field(ge=0)
    why: Why

    @property
    def count(self) -> int:
        """Return how many offsets it has."""
        return self.end - self.first


class Series(BaseModel):
    """The files of one partition of one topic that follow one another.

    topic: full name. topic_id, cluster_id: of that very topic, which one of the same name does not share.
    snapshot_end: where a compacted topic ended when its snapshot began; None: the records themselves.
    """

    model_config = _STRICT

    topic: str
    topic_id: UUID
    cluster_id: str
    partition: int = Field(ge=0)
    snapshot_end: int | None = None

    @property
    def folder(self) -> str:
        """Return the prefix of the names of its files."""
        kind = RECORDS if self.snapshot_end is None else SNAPSHOTS
        place = f"{kind}/{self.topic}/{self.topic_id}/{self.partition:05d}/"
        return place if self.snapshot_end is None else f"{place}{self.snapshot_end:020d}/"

    def data_name(self, first: int) -> str:
        """Return the name of the file that begins at an offset."""
        return f"{self.folder}{first:020d}{DATA}"

    def manifest_name(self, first: int) -> str:
        """Return the name of that file's manifest."""
        return f"{MANIFESTS}/{self.folder}{first:020d}{MANIFEST}"


RECORDS, SNAPSHOTS, MANIFESTS = "records", "snapshots", "manifests"
DATA, MANIFEST = ".avro", ".json"


class Contents(BaseModel):
    """What stands in the header of a file.

    next_offset: where the next file begins. earliest_ms, latest_ms: of its records, milliseconds since 1970
    by the broker. latest_ms_so_far: of its records and all files before it. gone_so_far: offsets of its gaps
    and of all files before it, without absent ones; so that readers find gaps without asking every file.
    is_last: of a snapshot, whether it is complete with this file.
    """

    model_config = _STRICT

    format: Literal[1] = FORMAT
    series: Series
    first_offset: int = Field(ge=0)
    next_offset: int = Field(ge=0)
    count: int = Field(ge=0)
    gaps: tuple[Gap, ...] = ()
    earliest_ms: int | None = None
    latest_ms: int | None = None
    latest_ms_so_far: int = 0
    gone_so_far: int = Field(default=0, ge=0)
    is_last: bool = False

    @property
    def lost(self) -> int:
        """Return how many records expired before they were archived, though the archive had begun."""
        return sum(gap.count for gap in self.gaps if gap.why == "lost")


class Manifest(BaseModel):
    """A file's contents, and what its bytes must be. size: in bytes. sha256: hexadecimal."""

    model_config = _STRICT

    contents: Contents
    size: int = Field(ge=0)
    sha256: str

    def fits(self, data: bytes) -> bool:
        """Tell whether these are the bytes of the file."""
        return len(data) == self.size and hashlib.sha256(data).hexdigest() == self.sha256

    def to_json(self) -> bytes:
        """Return it as its object has it."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def manifest_of(contents: Contents, data: bytes) -> Manifest:
    """Return the manifest of a file, which decides it: so everybody who has the file can write it."""
    return Manifest(contents=contents, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def unexplained(contents: Contents, offsets: Sequence[int]) -> list[int]:
    """Return the offsets that a file should have once and has twice, or neither as a record nor as a gap.

    offsets: of its records, in their order. Of a snapshot only those out of order or out of its range count.
    """
    wrong: list[int] = []
    expected = contents.first_offset
    gaps = {gap.first: gap.end for gap in contents.gaps}
    is_snapshot = contents.series.snapshot_end is not None
    for offset in offsets:
        while expected in gaps and expected < offset:
            expected = gaps[expected]
        if is_snapshot:
            expected = max(expected, offset)
        if offset != expected:
            wrong.extend(range(min(offset, expected), max(offset, expected)) or [offset])
        expected = max(expected, offset + 1)
    while expected in gaps:
        expected = gaps[expected]
    if not is_snapshot:
        wrong.extend(range(expected, contents.next_offset))
    wrong.extend(offset for offset in offsets if offset >= contents.next_offset)
    return wrong

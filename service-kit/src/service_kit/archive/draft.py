"""A file of the archive while its records come: what it covers so far, and why offsets are missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from service_kit.archive.container import milliseconds_of
from service_kit.archive.manifest import Contents, Gap, Manifest, Series, Why
from service_kit.kafka.records import Record

RECORDS = 10_000
BYTES = 16 * 2**20
# What a record takes beside its key, value and headers.
_OVERHEAD = 64


class Limits(NamedTuple):
    """When a file is closed: at so many records, or at so many bytes before compression."""

    records: int = RECORDS
    bytes: int = BYTES


class Chain(NamedTuple):
    """Where a series ends: the first offset of its next file, the latest time of its records.

    gone: how many offsets its gaps have, without absent ones.
    """

    next_offset: int = 0
    latest_ms: int = 0
    gone: int = 0
    is_complete: bool = False

    @classmethod
    def after(cls, manifest: Manifest | None) -> Chain:
        """Return where a series ends whose last file this is; None: it has none."""
        if manifest is None:
            return cls()
        contents = manifest.contents
        return cls(contents.next_offset, contents.latest_ms_so_far, contents.gone_so_far, contents.is_last)


@dataclass(slots=True)
class Draft:
    """Continues a series; `next_offset` is where it ends so far."""

    series: Series
    chain: Chain
    limits: Limits
    records: list[Record] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    size: int = 0
    next_offset: int = field(init=False)

    def __post_init__(self) -> None:
        self.next_offset = self.chain.next_offset

    @property
    def is_full(self) -> bool:
        """Tell whether it is to be closed."""
        return len(self.records) >= self.limits.records or self.size >= self.limits.bytes

    @property
    def is_empty(self) -> bool:
        """Tell whether it covers nothing."""
        return self.next_offset == self.chain.next_offset

    def add(self, record: Record) -> None:
        """Take the next record in."""
        self.records.append(record)
        self.next_offset = record.committable.next_offset
        headers = sum(len(name) + len(value) for name, value in record.headers)
        self.size += len(record.key or b"") + len(record.value or b"") + headers + _OVERHEAD

    def miss(self, end: int, why: Why) -> None:
        """Note that there is no record up to an offset."""
        if end <= self.next_offset:
            return
        self.gaps.append(Gap(first=self.next_offset, end=end, why=why))
        self.next_offset = end

    def reach(self, end: int) -> None:
        """Say that a snapshot has all up to an offset."""
        self.next_offset = max(self.next_offset, end)

    def contents(self, *, is_last: bool = False) -> Contents:
        """Return what the file holds."""
        times = [milliseconds_of(each.timestamp) for each in self.records]
        return Contents(
            series=self.series,
            first_offset=self.chain.next_offset,
            next_offset=self.next_offset,
            count=len(self.records),
            gaps=tuple(self.gaps),
            earliest_ms=min(times, default=None),
            latest_ms=max(times, default=None),
            latest_ms_so_far=max([self.chain.latest_ms, *times]),
            gone_so_far=self.chain.gone + sum(gap.count for gap in self.gaps if gap.why != "absent"),
            is_last=is_last,
        )

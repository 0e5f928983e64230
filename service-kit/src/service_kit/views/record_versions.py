"""Which record of a key counts, where several processes write and a record may arrive late.

Every record has a version in a header: one more than that of the record that its writer knew. A record counts
when its version is greater than that of all before it, in the order of the log. What was written without
knowing what stands there does not, however late it arrives. Records without the header count in their order,
until there is one with it.

Where the writer knows of no record, the version is the beginning of the day (UTC) in milliseconds since 1970.
So it is greater than all that the key had before it ended and the log forgot its tombstone, a day later at
least. Of two who record a key for the first time on one day, the second one in the log does not count.

Compaction keeps the last record of a key all the same, and other readers take it as it is. So a process that
sees a last record that does not count writes once more what does, with the next version. Compaction keeps
that, and everybody reads it; with the greater version it counts for readers too who begin when compaction has
taken all before it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Set
from datetime import timedelta
from typing import Generic, TypeVar

from service_kit.kafka.records import Record
from service_kit.views.spread_dict import SpreadDict

HEADER = "record-version"
_VERSION = re.compile(rb"[0-9]{1,18}")
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)

K = TypeVar("K", bound=Hashable)


def version_header(version: int) -> tuple[str, bytes]:
    """Return the header of a version."""
    return HEADER, str(version).encode()


def version_of(record: Record) -> int:
    """Return the version of a record; 0 when it has none that can be right.

    Versions grow slower than time. One that is a day ahead of the record's own time came from elsewhere, and
    those after it would be ahead as well, or too long to read.
    """
    value = dict(record.headers).get(HEADER, b"")
    version = int(value) if _VERSION.fullmatch(value) else 0
    return version if version <= _milliseconds(record.timestamp.timestamp()) + _DAY // _MILLISECOND else 0


class RecordVersions(Generic[K]):
    """The version that counts of each key, also of those that ended; take records in the log's order."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._known: SpreadDict[K, int] = SpreadDict()
        self._overruled: set[K] = set()

    def next_of(self, key: K) -> int:
        """Return the version that the next record of a key has to have."""
        known: int | None = self._known.get(key)
        if known is None:
            return _milliseconds(self._now() // _DAY.total_seconds() * _DAY.total_seconds())
        return known + 1

    def take(self, key: K, version: int, *, says_the_same: bool) -> bool:
        """Take in a record; return whether it counts. says_the_same: as what counts until now."""
        known: int | None = self._known.get(key)
        if known is None or version > known or version == known == 0:
            self._known[key] = version
            self._overruled.discard(key)
            return True
        # The same twice is a repair by two processes. It counts, but does not mend what came in between: for
        # a reader that begins when compaction has taken the first, the second comes late.
        if version == known and says_the_same:
            return True
        self._overruled.add(key)
        return False

    @property
    def has_overruled(self) -> bool:
        """Whether there is a key whose last record does not count."""
        return bool(self._overruled)

    @property
    def overruled(self) -> Set[K]:
        """Keys whose last record does not count: write once more what does, with the next version.

        It changes with the next record that is taken in; a copy would cost each record of a start too much.
        """
        return self._overruled


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

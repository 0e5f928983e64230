"""Unit vectors in rows without holes, in chunks: growing never copies more than one chunk.

Every write is noted. A scan works on a snapshot without any lock, and afterwards asks which rows were written
meanwhile. When the gallery is large, each full chunk also holds its rows as bytes (`compact_rows`).
Not thread-safe; the gallery locks.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.search.compact_rows import Codes, encode_rows

CHUNK_ROWS = 8192
_FIRST_ROWS = 64
_ENCODED_AT_ONCE = 512
# Ordinary rows are off by 0.0125. Odd ones have numbers far beyond the steps: bytes say too little of them.
ODD_ROUNDING = 0.016
_ODD_AMONG = 8
# Far more than are written during one scan; when it is not enough, the scan is repeated.
_NOTED_WRITES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Bytes:
    """The rows of a chunk as bytes; none is off by more than `rounding`, but for those that are odd."""

    codes: Codes
    rounding: float
    odd: NDArray[np.intp]


class Chunk:
    """rows: float32 (capacity, d)."""

    __slots__ = ("_codes", "_odd", "_rounding", "rows")

    def __init__(self, rows: Vector) -> None:
        self.rows = rows
        self._codes: Codes | None = None
        self._rounding = 0.0
        self._odd: set[int] = set()

    @property
    def has_bytes(self) -> bool:
        """Whether the rows are there as bytes, too."""
        return self._codes is not None

    def bytes(self) -> Bytes | None:
        """Return the rows as bytes; None when there are none, or when too many rows are odd."""
        if self._codes is None or len(self._odd) > len(self.rows) // _ODD_AMONG:
            return None
        return Bytes(self._codes, self._rounding, np.array(sorted(self._odd), np.intp))

    def encode(self) -> None:
        """Make the bytes of all rows."""
        self._codes = np.empty(self.rows.shape, np.uint8)
        for start in range(0, len(self.rows), _ENCODED_AT_ONCE):  # as much as stays in the cache
            self._encode(start, start + _ENCODED_AT_ONCE)

    def write(self, at: int, vector: Vector) -> None:
        """Set a row."""
        self.rows[at] = vector
        if self._codes is not None:
            self._odd.discard(at)
            self._encode(at, at + 1)

    def _encode(self, start: int, end: int) -> None:
        if self._codes is None:
            return
        self._codes[start:end], off = encode_rows(self.rows[start:end])
        is_odd = off > ODD_ROUNDING
        self._odd.update((np.flatnonzero(is_odd) + start).tolist())
        self._rounding = max(self._rounding, float(off[~is_odd].max(initial=0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The rows at one moment. Later writes shine through; `DenseRows.written_since` names them."""

    chunks: tuple[Chunk, ...]
    bytes_of: tuple[Bytes | None, ...]
    count: int
    version: int
    chunk_rows: int
    dimensions: int

    def gather(self, rows: NDArray[np.intp]) -> Vector:
        """Copy some rows, in the order given; quick when they rise."""
        gathered = np.empty((len(rows), self.dimensions), np.float32)
        chunk_of, within = np.divmod(rows, self.chunk_rows)
        borders = np.flatnonzero(np.diff(chunk_of)) + 1
        start = 0
        for end in (*borders.tolist(), len(rows)):
            if start < end:
                gathered[start:end] = self.chunks[chunk_of[start]].rows[within[start:end]]
            start = end
        return gathered


class DenseRows:
    """Rows 0 to count - 1. compact_from: the count from which on full chunks also hold bytes; None: never."""

    def __init__(self, dimensions: int, compact_from: int | None, chunk_rows: int = CHUNK_ROWS) -> None:
        self._dimensions = dimensions
        self._compact_from = compact_from
        self._chunk_rows = chunk_rows
        self._chunks: list[Chunk] = []
        self._coded_chunks = 0
        self._version = 0
        self._written: deque[int] = deque(maxlen=_NOTED_WRITES)
        self.count = 0

    def snapshot(self) -> Snapshot:
        """Return what a scan needs."""
        chunks = tuple(self._chunks)
        bytes_of = tuple(chunk.bytes() for chunk in chunks)
        return Snapshot(chunks, bytes_of, self.count, self._version, self._chunk_rows, self._dimensions)

    def written_since(self, version: int) -> set[int] | None:
        """Return the rows written since a snapshot's version; None when there were too many to note."""
        writes = self._version - version
        if writes > len(self._written):
            return None
        return {self._written[-k] for k in range(1, writes + 1)}

    def append(self, vector: Vector) -> int:
        """Add a row; return its number."""
        row = self.count
        if row == self._capacity():
            self._grow()
        self.count += 1
        self.write(row, vector)
        if self._compact_from is not None and self.count >= self._compact_from:
            self._encode_next()
        return row

    def read(self, row: int) -> Vector:
        """Return a row; a view, valid until the next write."""
        vector: Vector = self._chunks[row // self._chunk_rows].rows[row % self._chunk_rows]
        return vector

    def write(self, row: int, vector: Vector) -> None:
        """Replace a row."""
        self._chunks[row // self._chunk_rows].write(row % self._chunk_rows, vector)
        self._note(row)

    def remove(self, row: int) -> None:
        """Remove a row; the last one moves into its place."""
        last = self.count - 1
        if row != last:
            self.write(row, self.read(last))
        # An erased face does not linger in memory.
        self.write(last, np.zeros(self._dimensions, np.float32))
        self.count = last
        if last % self._chunk_rows == 0:
            self._chunks.pop()
            self._coded_chunks = min(self._coded_chunks, len(self._chunks))

    def _encode_next(self) -> None:
        """Encode one full chunk that has no bytes yet: one at a time, so that no write takes long."""
        at = self._coded_chunks
        if (at + 1) * self._chunk_rows <= self.count:
            self._chunks[at].encode()
            self._coded_chunks += 1

    def _note(self, row: int) -> None:
        self._version += 1
        self._written.append(row)

    def _capacity(self) -> int:
        if not self._chunks:
            return 0
        return (len(self._chunks) - 1) * self._chunk_rows + len(self._chunks[-1].rows)

    def _grow(self) -> None:
        if self._chunks and len(self._chunks[-1].rows) < self._chunk_rows:
            # Only the first chunk is ever smaller: most organisations fit into it. A scan may still read it.
            small = self._chunks.pop().rows
            grown = self._zeros(min(2 * len(small), self._chunk_rows))
            grown[: len(small)] = small
        else:
            grown = self._zeros(self._chunk_rows if self._chunks else min(_FIRST_ROWS, self._chunk_rows))
        self._chunks.append(Chunk(grown))

    def _zeros(self, count: int) -> Vector:
        return np.zeros((count, self._dimensions), np.float32)

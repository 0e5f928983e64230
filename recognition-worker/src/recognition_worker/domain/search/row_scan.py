"""Finds, for each probe of a batch, the rows that may have one of the best scores; then scores these exactly.

The first look multiplies chunk by chunk, in bytes where the chunk has them, else in float32. Either way the
product is known to be off by no more than a bound. A row is kept unless as many others as are asked for are
surely better. What is left, some hundred of a million, is scored in float64, one row like the other wherever
it lies: the result is that of a search without the first look, to the last bit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.search.compact_rows import ByteProbes, ByteProducts, encode_probes
from recognition_worker.domain.search.dense_rows import CHUNK_ROWS, Snapshot

Rows = NDArray[np.intp]
Scores = NDArray[np.float64]
Raw = NDArray[np.float32 | np.int32]

# Byte products take as long for one probe as for sixteen.
PROBES_AT_ONCE = 16
# Source: Higham, Accuracy and Stability of Numerical Algorithms, 3.1: a dot product of d numbers in float32
# is off by d * 2^-24 at most. Doubled, which also covers the rounding of the limits.
_FLOAT32_ROUNDING = 2.0**-23
_GROUPS = 64
_REPEATS = 512
_WORD = 8
# The least and the largest int32; no product is as small or as large.
_LEFT_OUT, _LARGEST = -(2**31), 2**31 - 1
_PAIRS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The rows that may be among the best for one probe, and their exact scores."""

    rows: Rows
    scores: Scores


def exact_scores(rows: Vector, probes: Vector) -> Scores:
    """Score rows (n, d) with probes (n, d) or (d,), pair by pair, the same wherever a row lies."""
    scores: Scores = (rows.astype(np.float64) * probes.astype(np.float64)).sum(axis=1)
    return scores


def scan(
    snapshot: Snapshot,
    probes: Vector,
    keep: int,
    *,
    products: ByteProducts | None = None,
    among: Rows | None = None,
) -> list[Found]:
    """Return for each probe (p, d) a set of rows in which are the `keep` best, with all that tie with them.

    among: only these rows; None means all.
    """
    found: list[Found] = []
    for start in range(0, len(probes), PROBES_AT_ONCE):
        some = np.ascontiguousarray(probes[start : start + PROBES_AT_ONCE], np.float32)
        pairs = _Pairs(len(some), keep)
        if among is None:
            _look_at_all(snapshot, some, pairs, products)
        else:
            _look_at_some(snapshot, some, pairs, among)
        found += _scored(snapshot, some, pairs)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """What a raw product means: the score `raw * scale + offset`, at most `bound` off. Each (p,)."""

    scale: Scores
    offset: Scores
    bound: Scores


class _Pairs:
    """Rows and probes that may belong together, and how much a score must be to matter still.

    rough: some of the scores come from bytes.
    """

    def __init__(self, probe_count: int, keep: int) -> None:
        self._probe_count = probe_count
        self._keep = keep
        # The score that `keep` rows surely reach.
        self._floors = np.full(probe_count, -np.inf)
        none, nothing = np.zeros(0, np.intp), np.zeros(0)
        self._parts: list[tuple[Rows, Rows, Scores, Scores]] = [(none, none, nothing, nothing)]
        self._looks = 0
        self._settle_at = 2
        self.rough = False

    def offer(self, raw: Raw, unit: _Unit, numbers: Rows) -> None:
        """Take what matters of the raw products (n, p) of the rows with these numbers, (n,)."""
        if not self._looks:
            self._floors = _surely_reached(raw, self._keep) * unit.scale + unit.offset - unit.bound
        hits = _at_least(raw, self._limits_of(raw, unit))
        rows, probes = np.divmod(hits, self._probe_count)
        scores = raw.reshape(-1)[hits] * unit.scale[probes] + unit.offset[probes]
        self._parts.append((numbers[rows], probes, scores, unit.bound[probes]))
        self._looks += 1
        if self._looks == self._settle_at:  # the floors rise less and less
            self._settle_at *= 4
            self._settle()

    def _limits_of(self, raw: Raw, unit: _Unit) -> Raw:
        """Return the least raw products that matter, (p,)."""
        limits = (self._floors - unit.bound - unit.offset) / unit.scale
        if raw.dtype == np.int32:
            self.rough = True
            limits = np.clip(np.floor(limits), _LEFT_OUT + 1, _LARGEST)
        return limits.astype(raw.dtype)

    def settled(self) -> tuple[Rows, Rows]:
        """Return the rows and probes of all pairs that still matter."""
        self._settle()
        rows, probes, _, _ = self._parts[0]
        return rows, probes

    def refine(self, scores: Scores, bound: float) -> None:
        """Replace the scores of the settled pairs, in their order, by better ones."""
        rows, probes, _, _ = self._parts[0]
        self._parts = [(rows, probes, scores, np.full(len(scores), bound))]

    def _settle(self) -> None:
        rows, probes, scores, bounds = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        lowest = scores - bounds
        for probe in range(self._probe_count):
            own = lowest if self._probe_count == 1 else lowest[probes == probe]
            if len(own) >= self._keep:
                reached = np.partition(own, -self._keep)[-self._keep]
                self._floors[probe] = max(self._floors[probe], reached)
        still = scores + bounds >= self._floors[probes]
        self._parts = [(rows[still], probes[still], scores[still], bounds[still])]


def _at_least(raw: Raw, limits: Raw) -> Rows:
    """Return where the flattened raw products (n, p) reach the limits (p,) of their column.

    numpy is slow where the last axis is short, and at finding few of many: so the comparison goes over long
    rows of repeated limits, and the search over eight answers at a time.
    """
    if len(limits) == 1:
        return np.flatnonzero(raw.reshape(-1) >= limits[0])
    flat, repeated = raw.reshape(-1), np.tile(limits, min(_REPEATS, len(raw)))
    reached = np.zeros((len(flat) + _WORD - 1) // _WORD * _WORD, np.bool_)
    whole = len(flat) // len(repeated) * len(repeated)
    wide = (-1, len(repeated))
    np.greater_equal(flat[:whole].reshape(wide), repeated, out=reached[:whole].reshape(wide))
    np.greater_equal(flat[whole:], repeated[: len(flat) - whole], out=reached[whole : len(flat)])
    words = np.flatnonzero(reached.view(np.uint64))
    at, within = np.nonzero(reached.reshape(-1, _WORD)[words])
    return words[at] * _WORD + within


def _surely_reached(raw: Raw, keep: int) -> Scores:
    """Return for each column a value that `keep` rows reach, if not the largest such value."""
    best: Raw = raw
    while len(best) >= 2 * max(keep, _GROUPS):
        half = len(best) // 2
        odd = best[2 * half :]
        best = np.maximum(best[:half], best[half : 2 * half])
        best[: len(odd)] = np.maximum(best[: len(odd)], odd)
    if len(best) < keep:
        return np.full(raw.shape[1], -np.inf)
    reached: Scores = np.partition(best, len(best) - keep, axis=0)[len(best) - keep].astype(np.float64)
    return reached


def _float_unit(probes: Vector) -> _Unit:
    count, dimensions = probes.shape
    return _Unit(np.ones(count), np.zeros(count), np.full(count, dimensions * _FLOAT32_ROUNDING))


def _look_at_all(snapshot: Snapshot, probes: Vector, pairs: _Pairs, products: ByteProducts | None) -> None:
    columns, float_unit = np.ascontiguousarray(probes.T), _float_unit(probes)
    made: ByteProbes | None = None
    start = 0
    for chunk, own in zip(snapshot.chunks, snapshot.bytes_of, strict=True):
        count = min(len(chunk.rows), snapshot.count - start)
        numbers = np.arange(start, start + count)
        if products is None or own is None:
            pairs.offer(chunk.rows[:count] @ columns, float_unit, numbers)
        else:
            made = made or encode_probes(probes)
            odd = own.odd[own.odd < count]
            raw = products(own.codes[:count], made.codes)
            raw[odd] = _LEFT_OUT
            unit = _Unit(made.scale, made.offset, made.error_bound(own.rounding))
            pairs.offer(raw, unit, numbers)
            if len(odd):
                pairs.offer(chunk.rows[odd] @ columns, float_unit, numbers[odd])
        start += count


def _look_at_some(snapshot: Snapshot, probes: Vector, pairs: _Pairs, among: Rows) -> None:
    columns, unit = np.ascontiguousarray(probes.T), _float_unit(probes)
    for start in range(0, len(among), CHUNK_ROWS):
        rows = among[start : start + CHUNK_ROWS]
        pairs.offer(snapshot.gather(rows) @ columns, unit, rows)


def _scored(snapshot: Snapshot, probes: Vector, pairs: _Pairs) -> list[Found]:
    rows, of = pairs.settled()
    if pairs.rough:
        # In float32 first, so that few are left for float64.
        needed, where = np.unique(rows, return_inverse=True)
        scores = (snapshot.gather(needed) @ probes.T)[where, of]
        pairs.refine(scores.astype(np.float64), probes.shape[1] * _FLOAT32_ROUNDING)
        rows, of = pairs.settled()
    exact = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        exact[part] = exact_scores(snapshot.gather(rows[part]), probes[of[part]])
    if len(probes) == 1:
        return [Found(rows, exact)]
    return [Found(rows[of == probe], exact[of == probe]) for probe in range(len(probes))]

"""One organisation's people: whose row is which, and the templates that each row is the mean of.

A person with one template needs no more than their row. Only who has several also keeps these, in one array,
so that erasing one gives the mean of the others to the last bit. Template ids are kept as 16 bytes.
Not thread-safe; the gallery locks.
"""

from bisect import bisect_left
from dataclasses import dataclass
from hashlib import blake2b
from typing import NewType

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import PersonId, TemplateId
from recognition_worker.domain.search.dense_rows import DenseRows

_ID_BYTES = 16
_TINY = 1e-12
ShortId = NewType("ShortId", bytes)


def short_id(template_id: TemplateId) -> ShortId:
    """Return 16 bytes in place of a template id: a UUID as text takes 85."""
    return ShortId(blake2b(template_id.encode(), digest_size=_ID_BYTES).digest())


@dataclass(slots=True, eq=False)
class _Several:
    """The templates of a person who has more than one, by rising id."""

    ids: list[ShortId]
    vectors: Vector


class People:
    """Templates by person, and one row per person."""

    def __init__(self, rows: DenseRows) -> None:
        self.rows = rows
        self._person_at: list[PersonId] = []
        self._row_of: dict[PersonId, int] = {}
        self._sole_ids = bytearray()  # of each row, 16 bytes; zeros where there are several
        self._several: dict[PersonId, _Several] = {}

    @property
    def count(self) -> int:
        """Count the people."""
        return len(self._person_at)

    def person_at(self, row: int) -> PersonId:
        """Return whose row this is."""
        return self._person_at[row]

    def row_of(self, person_id: PersonId) -> int | None:
        """Return a person's row."""
        return self._row_of.get(person_id)

    def add(self, person_id: PersonId, template_id: ShortId, vector: Vector) -> bool:
        """Add or replace a template, unit norm; return whether it is a new one."""
        row = self._row_of.get(person_id)
        if row is None:
            self._row_of[person_id] = self.rows.append(vector)
            self._person_at.append(person_id)
            self._sole_ids += template_id
            return True
        several = self._several.get(person_id)
        if several is None:
            sole_id = self._sole_id(row)
            if sole_id == template_id:
                self._write(row, vector)
                return False
            several = _Several([sole_id], self.rows.read(row)[None].copy())
            self._several[person_id] = several
            self._set_sole_id(row, ShortId(bytes(_ID_BYTES)))
        is_new = template_id not in several.ids
        self._put(several, template_id, vector)
        self._write(row, _mean(several.vectors))
        return is_new

    def erase(self, person_id: PersonId, template_id: ShortId) -> bool:
        """Forget a template; return whether it was here."""
        row = self._row_of.get(person_id)
        if row is None:
            return False
        several = self._several.get(person_id)
        if template_id not in (several.ids if several else [self._sole_id(row)]):
            return False
        if several is None:
            self._remove(person_id, row)
            return True
        at = several.ids.index(template_id)
        del several.ids[at]
        left = np.delete(several.vectors, at, axis=0)
        several.vectors[:] = 0.0  # an erased face does not linger in memory
        several.vectors = left
        if len(several.ids) == 1:
            self._set_sole_id(row, several.ids[0])
            del self._several[person_id]
            self._write(row, left[0])
        else:
            self._write(row, _mean(left))
        return True

    def _put(self, several: _Several, template_id: ShortId, vector: Vector) -> None:
        at = bisect_left(several.ids, template_id)
        if at < len(several.ids) and several.ids[at] == template_id:
            several.vectors[at] = vector
            return
        several.ids.insert(at, template_id)
        more = np.empty((len(several.ids), len(vector)), np.float32)
        more[:at], more[at], more[at + 1 :] = several.vectors[:at], vector, several.vectors[at:]
        several.vectors = more

    def _write(self, row: int, vector: Vector) -> None:
        if self.rows.read(row).tobytes() != vector.tobytes():
            self.rows.write(row, vector)

    def _remove(self, person_id: PersonId, row: int) -> None:
        self.rows.remove(row)
        last = self._person_at.pop()
        last_id = self._sole_ids[-_ID_BYTES:]
        del self._sole_ids[-_ID_BYTES:]
        del self._row_of[person_id]
        if last != person_id:
            self._person_at[row] = last
            self._row_of[last] = row
            self._set_sole_id(row, ShortId(bytes(last_id)))

    def _sole_id(self, row: int) -> ShortId:
        return ShortId(bytes(self._sole_ids[row * _ID_BYTES : (row + 1) * _ID_BYTES]))

    def _set_sole_id(self, row: int, template_id: ShortId) -> None:
        self._sole_ids[row * _ID_BYTES : (row + 1) * _ID_BYTES] = template_id


def _mean(vectors: Vector) -> Vector:
    # In the order of the ids: the order of arrival must not change the last bit.
    total = vectors.sum(axis=0, dtype=np.float64)
    normalised: Vector = (total / max(float(np.linalg.norm(total)), _TINY)).astype(np.float32)
    return normalised

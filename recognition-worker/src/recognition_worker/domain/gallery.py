"""The enrolled people as a float32 matrix, one row per person, searched exactly.

A person's row is the mean of their templates, normalised again: with two photos this halves the misses
compared with the best single score (see the README's figures). Rows are kept dense by moving the last one
into a hole, so adding and erasing are in place and cost nothing that grows with the gallery. Organisations
never see each other's people.
"""

import threading
from collections.abc import Collection

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import (
    ModelId,
    OrgId,
    PersonId,
    RankedPerson,
    Ranking,
    Template,
    TemplateId,
)
from recognition_worker.errors import ModelMismatch

_FIRST_CAPACITY = 64
_NORM_TOLERANCE = 1e-3
_TINY = 1e-12


class InMemoryGallery:
    """All templates of one model. Writers and searches may come from different threads."""

    def __init__(self, model: ModelId, dimensions: int) -> None:
        self._model = model
        self._dimensions = dimensions
        self._orgs: dict[OrgId, _People] = {}
        self._org_of: dict[tuple[PersonId, TemplateId], OrgId] = {}
        # A search holds the lock for its matrix product: microseconds at 10,000 people.
        self._lock = threading.Lock()

    def add(self, template: Template) -> None:
        """Add or replace a template; the same one again changes nothing.

        Raises:
            ModelMismatch: another model, another dimension, or not unit norm.
        """
        what = f"template {template.template_id} of person {template.person_id}"
        embedding = self._checked(template.embedding, template.model, what)
        key = (template.person_id, template.template_id)
        with self._lock:
            earlier = self._org_of.get(key)
            if earlier is not None and earlier != template.org_id:
                self._orgs[earlier].erase(*key)
            people = self._orgs.setdefault(template.org_id, _People(self._dimensions))
            people.add(*key, embedding)
            self._org_of[key] = template.org_id

    def erase(self, person_id: PersonId, template_id: TemplateId) -> bool:
        """Forget a template; return whether it was there."""
        with self._lock:
            org_id = self._org_of.pop((person_id, template_id), None)
            if org_id is None:
                return False
            self._orgs[org_id].erase(person_id, template_id)
            return True

    def search(
        self,
        probe: Vector,
        model: ModelId,
        *,
        org_id: OrgId,
        scope: Collection[PersonId] | None = None,
        limit: int = 5,
    ) -> Ranking:
        """Rank the people of an organisation by cosine with their mean template, best first.

        Equal scores rank by person id, so that a repetition gives the same answer.

        Raises:
            ModelMismatch: the probe is of another model, another dimension, or not unit norm.
        """
        probe = self._checked(probe, model, "the probe")
        with self._lock:
            people = self._orgs.get(org_id)
            return people.search(probe, scope, limit) if people else Ranking((), 0)

    def people_count(self, org_id: OrgId) -> int:
        """Count the people with at least one template."""
        with self._lock:
            people = self._orgs.get(org_id)
            return people.count if people else 0

    @property
    def template_count(self) -> int:
        """Count the templates of all organisations."""
        return len(self._org_of)

    def _checked(self, embedding: Vector, model: ModelId, what: str) -> Vector:
        if model != self._model:
            raise ModelMismatch(
                f"{what} is of model {model}, this gallery is of {self._model}; enrol it again"
            )
        if embedding.shape != (self._dimensions,):
            raise ModelMismatch(
                f"{what} has shape {embedding.shape}, {self._model} gives ({self._dimensions},)"
            )
        norm = float(np.linalg.norm(embedding))
        if not abs(norm - 1.0) <= _NORM_TOLERANCE:  # written so that NaN fails too
            raise ModelMismatch(f"{what} has norm {norm:.4f} instead of 1; it was not made by {self._model}")
        return embedding.astype(np.float32, copy=False)


class _People:
    """One organisation's rows. Not thread-safe; the gallery locks."""

    def __init__(self, dimensions: int) -> None:
        self._matrix = np.zeros((_FIRST_CAPACITY, dimensions), dtype=np.float32)
        self._person_at: list[PersonId] = []
        self._row_of: dict[PersonId, int] = {}
        self._templates: dict[PersonId, dict[TemplateId, Vector]] = {}

    @property
    def count(self) -> int:
        return len(self._person_at)

    def add(self, person_id: PersonId, template_id: TemplateId, embedding: Vector) -> None:
        if person_id not in self._row_of:
            if self.count == len(self._matrix):
                self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
            self._row_of[person_id] = self.count
            self._person_at.append(person_id)
        # A copy: the caller's array may be a row of a batch that is used again.
        self._templates.setdefault(person_id, {})[template_id] = embedding.copy()
        self._refresh(person_id)

    def erase(self, person_id: PersonId, template_id: TemplateId) -> None:
        del self._templates[person_id][template_id]
        if self._templates[person_id]:
            self._refresh(person_id)
            return
        del self._templates[person_id]
        hole, last = self._row_of.pop(person_id), self.count - 1
        moved = self._person_at.pop()
        if hole != last:
            self._matrix[hole] = self._matrix[last]
            self._person_at[hole] = moved
            self._row_of[moved] = hole
        self._matrix[last] = 0.0  # an erased face does not linger in memory

    def search(self, probe: Vector, scope: Collection[PersonId] | None, limit: int) -> Ranking:
        if scope is None:
            rows = np.arange(self.count)
            scores = self._matrix[: self.count] @ probe
        else:
            rows = np.array(sorted({self._row_of[p] for p in scope if p in self._row_of}), dtype=np.intp)
            scores = self._matrix[rows] @ probe
        if len(scores) > limit:
            cut = np.partition(scores, -limit)[-limit]
            keep = scores >= cut  # ties at the cut stay in until the sort decides
            rows, scores = rows[keep], scores[keep]
        ranked = sorted(
            (
                RankedPerson(self._person_at[row], float(score))
                for row, score in zip(rows, scores, strict=True)
            ),
            key=lambda person: (-person.score, person.person_id),
        )
        searched = self.count if scope is None else sum(person in self._row_of for person in set(scope))
        return Ranking(tuple(ranked[:limit]), searched)

    def _refresh(self, person_id: PersonId) -> None:
        # Summed in the order of ids: the order of arrival must not change the last bit.
        templates = self._templates[person_id]
        mean = np.mean([templates[key].astype(np.float64) for key in sorted(templates)], axis=0)
        self._matrix[self._row_of[person_id]] = mean / max(float(np.linalg.norm(mean)), _TINY)

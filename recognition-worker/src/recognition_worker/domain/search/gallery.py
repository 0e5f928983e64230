"""The enrolled people of each organisation, one row per person, searched exactly.

A person's row is the mean of their templates, normalised again: with two photos this halves the misses
compared with the best single score (see the README's figures). Adding and erasing are in place and cost
nothing that grows with the gallery. A search holds the lock for microseconds at its beginning and its end
only; rows written in between are scored again at the end, so that its answer is that of the gallery at this
moment. The same gallery gives the same answer to the last bit, in any order of filling. Organisations
never see each other's people.
"""

import threading
from collections.abc import Callable, Collection
from functools import cache

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import (
    ModelId,
    OrgId,
    Person,
    PersonId,
    Ranking,
    Template,
    TemplateId,
)
from recognition_worker.domain.search.answers import SPARE, Look, answer, rows_of
from recognition_worker.domain.search.compact_rows import ByteProducts
from recognition_worker.domain.search.dense_rows import CHUNK_ROWS, DenseRows, Snapshot
from recognition_worker.domain.search.people import People, short_id
from recognition_worker.domain.search.row_scan import scan
from recognition_worker.errors import ModelMismatch

# Measured (docs/recognition/search.md): from here on a first look at bytes is faster than float32.
COMPACT_FROM = 20_000
_NORM_TOLERANCE = 1e-3
_TRIES_WITHOUT_LOCK = 3


class InMemoryGallery:
    """All templates of one model. Writers and searches may come from different threads.

    load_products: what multiplies bytes; asked for once, when the first organisation has `compact_from`
    people; None when this processor has nothing for it. Without it every search is in float32. The answers
    are the same.
    """

    def __init__(
        self,
        model: ModelId,
        dimensions: int,
        *,
        load_products: Callable[[], ByteProducts | None] | None = None,
        compact_from: int = COMPACT_FROM,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self._model = model
        self._dimensions = dimensions
        self._load_products = cache(load_products) if load_products else None
        self._compact_from = compact_from
        self._chunk_rows = chunk_rows
        self._orgs: dict[OrgId, People] = {}
        self._template_count = 0
        self._lock = threading.Lock()

    def add(self, template: Template) -> None:
        """Add or replace a template; the same one again changes nothing.

        Raises:
            ModelMismatch: another model, another dimension, or not unit norm.
        """
        what = f"template {template.template_id} of person {template.person_id}"
        vector = self._normalised(template.embedding, template.model, what)
        with self._lock:
            people = self._orgs.get(template.org_id)
            if people is None:
                people = self._orgs[template.org_id] = self._nobody()
            template_id = short_id(template.template_id)
            self._template_count += people.add(template.person_id, template_id, vector)

    def erase(self, person: Person, template_id: TemplateId) -> bool:
        """Forget a template; return whether it was there."""
        with self._lock:
            people = self._orgs.get(person.org_id)
            was_there = people is not None and people.erase(person.person_id, short_id(template_id))
            self._template_count -= was_there
            return was_there

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
        return self.search_batch(probe[None], model, org_id=org_id, scope=scope, limit=limit)[0]

    def search_batch(
        self,
        probes: Vector,
        model: ModelId,
        *,
        org_id: OrgId,
        scope: Collection[PersonId] | None = None,
        limit: int = 5,
    ) -> list[Ranking]:
        """Rank for each probe (p, d) as `search` does, in one pass over the gallery.

        Raises:
            ModelMismatch: a probe is of another model, another dimension, or not unit norm.
        """
        probes = self._checked(probes, model)
        if scope is not None and not isinstance(scope, frozenset):
            scope = frozenset(scope)
        for _ in range(_TRIES_WITHOUT_LOCK):
            with self._lock:
                people = self._orgs.get(org_id)
                if people is None or not people.count:
                    return [Ranking((), 0) for _ in probes]
                snapshot = people.rows.snapshot()
            looked = self._look(people, snapshot, probes, scope, limit)
            with self._lock:
                rankings = answer(people, looked)
            if rankings is not None:
                return rankings
        with self._lock:  # written to so fast that no scan ended in time
            people = self._orgs[org_id]
            rankings = answer(people, self._look(people, people.rows.snapshot(), probes, scope, limit))
        if rankings is None:
            raise AssertionError("rows were written while the gallery was locked")
        return rankings

    def people_count(self, org_id: OrgId) -> int:
        """Count the people with at least one template."""
        people = self._orgs.get(org_id)
        return people.count if people else 0

    @property
    def template_count(self) -> int:
        """Count the templates of all organisations."""
        return self._template_count

    @property
    def person_count(self) -> int:
        """Count the people of all organisations."""
        return sum(people.count for people in list(self._orgs.values()))

    def _nobody(self) -> People:
        compact_from = self._compact_from if self._load_products else None
        return People(DenseRows(self._dimensions, compact_from, self._chunk_rows))

    def _look(
        self,
        people: People,
        snapshot: Snapshot,
        probes: Vector,
        scope: frozenset[PersonId] | None,
        limit: int,
    ) -> Look:
        among = None if scope is None else rows_of(people, scope, snapshot.count)
        has_bytes = any(own is not None for own in snapshot.bytes_of)
        products = self._load_products() if has_bytes and self._load_products else None
        found = scan(snapshot, probes, limit + SPARE, products=products, among=among)
        return Look(snapshot.version, probes, scope, limit, among, found)

    def _normalised(self, embedding: Vector, model: ModelId, what: str) -> Vector:
        self._require(model, embedding.shape, what)
        exact = embedding.astype(np.float64)
        norm = float(np.linalg.norm(exact))
        self._require_unit(norm, what)
        normalised: Vector = (exact / norm).astype(np.float32)
        return normalised

    def _checked(self, probes: Vector, model: ModelId) -> Vector:
        self._require(model, probes.shape[1:], "the probe")
        for norm in np.linalg.norm(probes, axis=1).tolist():
            self._require_unit(norm, "the probe")
        return probes.astype(np.float32, copy=False)

    def _require(self, model: ModelId, shape: tuple[int, ...], what: str) -> None:
        if model != self._model:
            raise ModelMismatch(
                f"{what} is of model {model}, this gallery is of {self._model}; enrol it again"
            )
        if shape != (self._dimensions,):
            raise ModelMismatch(f"{what} has shape {shape}, {self._model} gives ({self._dimensions},)")

    def _require_unit(self, norm: float, what: str) -> None:
        if not abs(norm - 1.0) <= _NORM_TOLERANCE:  # written so that NaN fails too
            raise ModelMismatch(f"{what} has norm {norm:.4f} instead of 1; it was not made by {self._model}")

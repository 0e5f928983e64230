"""What searches templates: numpy, faiss, and this worker's gallery, each behind the same two calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.search.invented_templates import AT_ONCE, DIMENSIONS, Ids, read_templates
from recognition_worker.adapters.runtimes.onnxruntime_byte_products import load_byte_products
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.search.gallery import InMemoryGallery

ASKED = 5
BASELINE = "numpy"
MODEL, ORG = ModelId("invented", "1"), OrgId("acme")
Search = Callable[[Vector], Ids]


class Engine(NamedTuple):
    """search: probes (p, d) to the ids (p, 5) of the best. add: one more template, if that is measured."""

    search: Search
    add: Callable[[int, Vector], None] | None = None


def _numpy(file: Path) -> Engine:
    """`matrix @ probe` and argpartition."""
    matrix = np.array(read_templates(file))

    def search(probes: Vector) -> Ids:
        if len(probes) == 1:
            scores = (matrix @ probes[0])[None]
        else:
            scores = np.ascontiguousarray((matrix @ probes.T).T)
        best = np.argpartition(scores, -ASKED, axis=1)[:, -ASKED:]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
        return np.take_along_axis(best, order, 1)

    return Engine(search)


def _faiss(file: Path, kind: str) -> Engine:
    import faiss

    faiss.omp_set_num_threads(1)
    templates = np.array(read_templates(file))
    if kind == "flat":
        index: Any = faiss.IndexFlatIP(DIMENSIONS)
    elif kind == "ivf":
        # As faiss's guidelines say: 4 * sqrt(n) cells. One in eight is looked into: with fewer it finds too
        # few of these vectors, which have no clusters but people.
        cells = int(4 * len(templates) ** 0.5)
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(DIMENSIONS), DIMENSIONS, cells, faiss.METRIC_INNER_PRODUCT
        )
        index.nprobe = cells // 8
        index.cp.max_points_per_centroid, index.cp.niter = 40, 4
        index.train(templates)
    else:
        index = faiss.IndexHNSWFlat(DIMENSIONS, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = 64
    index.add(templates)
    return Engine(lambda probes: index.search(probes, ASKED)[1])


def _gallery(file: Path, *, compact: bool) -> Engine:
    gallery = InMemoryGallery(MODEL, DIMENSIONS, load_products=load_byte_products if compact else None)

    def add(number: int, embedding: Vector) -> None:
        template_id = TemplateId(f"00000000-0000-0000-0000-{number:012}")
        gallery.add(Template(ORG, PersonId(f"person-{number}"), template_id, MODEL, embedding))

    def search(probes: Vector) -> Ids:
        found = gallery.search_batch(probes, MODEL, org_id=ORG, limit=ASKED)
        return np.array([[int(one.person_id[7:]) for one in ranking.people] for ranking in found])

    templates = read_templates(file)
    for start in range(0, len(templates), AT_ONCE):
        for number, embedding in enumerate(np.array(templates[start : start + AT_ONCE]), start):
            add(number, embedding)
    return Engine(search, add)


ENGINES: dict[str, Callable[[Path], Engine]] = {
    BASELINE: _numpy,
    "faiss-flat": lambda file: _faiss(file, "flat"),
    "faiss-ivf": lambda file: _faiss(file, "ivf"),
    "faiss-hnsw": lambda file: _faiss(file, "hnsw"),
    "gallery-float32": lambda file: _gallery(file, compact=False),
    "gallery": lambda file: _gallery(file, compact=True),
}
# Its index of a million takes several minutes.
ONLY_WHEN_ASKED = {"faiss-hnsw"}

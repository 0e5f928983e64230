"""Milliseconds and recall of a search in 10k, 100k and 1M templates, beside numpy and faiss, in one run.

`python benchmarks/gallery_search.py [--sizes 10000 100000 1000000] [--only ENGINE ...] [--json]`. Each engine
runs in a process of its own on the same core with one thread, and they take turns, so that what else the
machine does meets all of them; milliseconds are of the processor's time. The vectors are invented, but spread
like SFace's of LFW photos: see `_photos`. One template per person. Recall is against float64 over all.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from recognition_worker.adapters.onnxruntime_byte_products import load_byte_products
from recognition_worker.domain.face import Vector
from recognition_worker.domain.gallery import InMemoryGallery
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, Template, TemplateId

DIMENSIONS = 128
BATCH = 16
ASKED = 5
BASELINE = "numpy"
SIZES = (10_000, 100_000, 1_000_000)
PROBES = 160
_AT_ONCE = 65_536
_SETTLE = 2  # turns that do not count: caches, and what is loaded at the first search
_WRITES = 300
MODEL, ORG = ModelId("invented", "1"), OrgId("acme")
Ids = NDArray[np.int64]
Search = Callable[[Vector], Ids]


class Engine(NamedTuple):
    """search: probes (p, d) to the ids (p, 5) of the best. add: one more template, if that is measured."""

    search: Search
    add: Callable[[int, Vector], None] | None = None


def _photos(centres: Vector, drawn: np.random.Generator) -> Vector:
    """Return one photo of each person, unit norm.

    400 photos of 200 people of LFW give mated scores of 0.66 +- 0.13 and others of 0.086 +- 0.088 (99.9 % are
    below 0.357). People around a common face, with less and less spread from axis to axis, and photos around
    people, some photos further away than others, give 0.65 +- 0.14 and 0.084 +- 0.093 (0.359). The axes are
    turned against the numbers, which so all spread alike, as SFace's do.
    """
    away = 0.72 * np.exp(0.4 * drawn.standard_normal((len(centres), 1), np.float32))
    photos: Vector = centres + away * drawn.standard_normal(centres.shape, np.float32) * _spread()
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    turned: Vector = photos @ _turn()
    return turned


def _people(count: int, drawn: np.random.Generator) -> Vector:
    centres: Vector = drawn.standard_normal((count, DIMENSIONS), np.float32) * _spread()
    centres[:, DIMENSIONS // 2] += 0.38  # the common face
    return centres


def _spread() -> Vector:
    share = np.exp(-np.arange(DIMENSIONS) / 100.0)
    spread: Vector = np.sqrt(share / share.sum()).astype(np.float32)
    return spread


@cache
def _turn() -> Vector:
    drawn = np.random.default_rng(0).standard_normal((DIMENSIONS, DIMENSIONS))
    return np.linalg.qr(drawn)[0].astype(np.float32)


def _invent(size: int, file: Path) -> Vector:
    """Write the templates; return the probes: three of four are of enrolled people, in other photos."""
    drawn = np.random.default_rng(size)
    chosen = np.sort(drawn.choice(size, PROBES * 3 // 4, replace=False))
    known: list[Vector] = []
    with file.open("wb") as out:
        for start in range(0, size, _AT_ONCE):
            centres = _people(min(_AT_ONCE, size - start), drawn)
            out.write(_photos(centres, drawn).tobytes())
            known.append(centres[chosen[(chosen >= start) & (chosen < start + _AT_ONCE)] - start])
    strangers = _people(PROBES - len(chosen), drawn)
    probes = _photos(np.concatenate([*known, strangers]), drawn)
    return probes[drawn.permutation(PROBES)]


def _templates(file: Path) -> Vector:
    return np.memmap(file, np.float32, "r").reshape(-1, DIMENSIONS)


def _truth(file: Path, probes: Vector) -> Ids:
    """Return the ids of the best, best first, by float64 over all templates."""
    scores, ids = np.zeros((PROBES, 0)), np.zeros((PROBES, 0), np.int64)
    templates = _templates(file)
    for start in range(0, len(templates), _AT_ONCE):
        block = probes.astype(np.float64) @ templates[start : start + _AT_ONCE].astype(np.float64).T
        scores = np.concatenate([scores, block], axis=1)
        ids = np.concatenate([ids, np.tile(np.arange(start, start + block.shape[1]), (PROBES, 1))], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :ASKED]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    return ids


def _numpy(file: Path) -> Engine:
    """`matrix @ probe` and argpartition."""
    matrix = np.array(_templates(file))

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
    templates = np.array(_templates(file))
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

    templates = _templates(file)
    for start in range(0, len(templates), _AT_ONCE):
        for number, embedding in enumerate(np.array(templates[start : start + _AT_ONCE]), start):
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


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine at one size. Ratios are to the baseline: above 1 is faster. Bytes: private memory."""

    engine: str
    templates: int
    single_ms: float
    single_ratio: float
    batch_ms: float
    batch_ratio: float
    recall_at_1: float
    recall_at_5: float
    bytes_per_template: float
    build_seconds: float
    slowest_add_ms: float | None


def _serve(name: str, file: Path, core: int, probes: Vector, pipe: Connection) -> None:
    """Answer what the parent asks, until it says None."""
    os.sched_setaffinity(0, {core})
    before = psutil.Process().memory_full_info().uss
    started = time.perf_counter()
    engine = ENGINES[name](file)
    pipe.send((time.perf_counter() - started, (psutil.Process().memory_full_info().uss - before)))
    turn = 0
    while (question := pipe.recv()) is not None:
        if question == "found":
            pipe.send(
                np.concatenate([engine.search(probes[at : at + BATCH]) for at in range(0, PROBES, BATCH)])
            )
        elif question == "add":
            pipe.send(_slowest_add(engine, probes))
        else:
            some = np.roll(probes, BATCH * turn, axis=0)[:BATCH]
            turn += question == "single"
            # Of this process only: what others do on the core is not counted, and there is one thread.
            begin = time.process_time()
            if question == "single":
                for at in range(BATCH):
                    engine.search(some[at : at + 1])
            else:
                engine.search(some)
            pipe.send((time.process_time() - begin) / BATCH * 1000.0)


def _slowest_add(engine: Engine, probes: Vector) -> float | None:
    """Return the longest of many single writes while another thread searches without a pause."""
    if engine.add is None:
        return None
    stopping = threading.Event()

    def search() -> None:
        while not stopping.is_set():
            engine.search(probes[:BATCH])

    searching = threading.Thread(target=search)
    searching.start()
    slowest = 0.0
    for number in range(_WRITES):
        time.sleep(0.002)
        begin = time.perf_counter()
        engine.add(number, probes[number % PROBES])
        slowest = max(slowest, time.perf_counter() - begin)
    stopping.set()
    searching.join()
    return slowest * 1000.0


def measure(size: int, names: Sequence[str], rounds: int, core: int) -> Iterator[Measured]:
    """Build every engine over the same templates, let them take turns, and yield what was measured."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "templates.f32"
        probes = _invent(size, file)
        truth = _truth(file, probes)
        pipes: dict[str, Connection] = {}
        built: dict[str, tuple[float, float]] = {}
        processes = []
        for name in names:
            pipes[name], theirs = context.Pipe()
            process = context.Process(target=_serve, args=(name, file, core, probes, theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            built[name] = pipes[name].recv()
        taken: dict[tuple[str, str], list[float]] = {}
        for turn in range(rounds + _SETTLE):
            for question in ("single", "batch"):
                for name in names:
                    spent = _ask(pipes[name], question)
                    if turn >= _SETTLE:
                        taken.setdefault((name, question), []).append(spent)
        for name in names:
            found = _ask(pipes[name], "found")
            hits = [
                len(set(own) & set(best)) for own, best in zip(found.tolist(), truth.tolist(), strict=True)
            ]
            yield Measured(
                engine=name,
                templates=size,
                single_ms=statistics.median(taken[name, "single"]),
                single_ratio=_ratio(taken, name, "single"),
                batch_ms=statistics.median(taken[name, "batch"]),
                batch_ratio=_ratio(taken, name, "batch"),
                recall_at_1=float((found[:, 0] == truth[:, 0]).mean()),
                recall_at_5=sum(hits) / (PROBES * ASKED),
                bytes_per_template=built[name][1] / size,
                build_seconds=built[name][0],
                slowest_add_ms=_ask(pipes[name], "add"),
            )
        for pipe, process in zip(pipes.values(), processes, strict=True):
            pipe.send(None)
            process.join()


def _ask(pipe: Connection, question: str) -> Any:
    pipe.send(question)
    return pipe.recv()


def _ratio(taken: dict[tuple[str, str], list[float]], name: str, question: str) -> float:
    # Within each turn: what slowed the machine then slowed both.
    pairs = zip(taken[BASELINE, question], taken[name, question], strict=True)
    return statistics.median(base / own for base, own in pairs)


HEADS = (
    "engine",
    "one probe, ms",
    "ratio",
    f"of {BATCH} together, ms each",
    "ratio",
    "recall@1",
    "recall@5",
    "bytes per template",
    "built after s",
    "slowest add, ms",
)


def _row(one: Measured) -> str:
    cells = (
        one.engine,
        f"{one.single_ms:.3g}",
        f"{one.single_ratio:.2f}",
        f"{one.batch_ms:.3g}",
        f"{one.batch_ratio:.2f}",
        f"{one.recall_at_1:.3f}",
        f"{one.recall_at_5:.3f}",
        f"{one.bytes_per_template:.0f}",
        f"{one.build_seconds:.1f}",
        "" if one.slowest_add_ms is None else f"{one.slowest_add_ms:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Parse the command line and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=list(SIZES), help="templates (default 10k to 1M)"
    )
    parser.add_argument(
        "--only",
        choices=list(ENGINES),
        nargs="+",
        help="beside the baseline, or the baseline alone; faiss-hnsw runs only when it is named here",
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns (default 7)")
    parser.add_argument("--core", type=int, default=0, help="core for all of them (default 0)")
    parser.add_argument("--json", action="store_true", help="one object per engine and size, nothing else")
    arguments = parser.parse_args()
    # Read by numpy in the processes that are started.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    default = [name for name in ENGINES if name not in ONLY_WHEN_ASKED]
    names = list(dict.fromkeys((BASELINE, *(arguments.only or default))))
    say = (lambda _line: None) if arguments.json else (lambda line: sys.stdout.write(line + "\n"))
    results = []
    load = os.getloadavg()[0]
    say(f"{os.cpu_count()} cores, load {load:.1f} at the start; one core, median of {arguments.rounds} turns")
    for size in arguments.sizes:
        say(f"\n{size:,} templates\n\n| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|")
        for one in measure(size, names, arguments.rounds, arguments.core):
            results.append(one)
            say(_row(one))
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    sizes = " ".join(map(str, arguments.sizes))
    for name in names[: -1 if names[-1] == "gallery" else None]:
        if not name.startswith("gallery"):
            say(f"{name} alone: python {sys.argv[0]} --sizes {sizes} --only {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

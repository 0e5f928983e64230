"""Milliseconds and recall of a search in 10k, 100k and 1M templates, beside numpy and faiss, in one run.

`python -m benchmarks.search.gallery_search [--sizes 10000 100000 1000000] [--only ENGINE ...] [--json]`.
Each engine runs in a process of its own on the same core with one thread, and they take turns, so that what
else the machine does meets all of them; milliseconds are of the processor's time. The vectors are invented,
but spread like SFace's of LFW photos: see invented_templates. One template per person. Recall is against
float64.
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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.search.engines import ASKED, BASELINE, ENGINES, ONLY_WHEN_ASKED, Engine
from benchmarks.search.invented_templates import PROBES, invent, truth
from recognition_worker.domain.face import Vector

BATCH = 16
SIZES = (10_000, 100_000, 1_000_000)
_SETTLE = 2  # turns that do not count: caches, and what is loaded at the first search
_WRITES = 300


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
        probes = invent(size, file)
        best = truth(file, probes, ASKED)
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
                len(set(own) & set(right)) for own, right in zip(found.tolist(), best.tolist(), strict=True)
            ]
            yield Measured(
                engine=name,
                templates=size,
                single_ms=statistics.median(taken[name, "single"]),
                single_ratio=_ratio(taken, name, "single"),
                batch_ms=statistics.median(taken[name, "batch"]),
                batch_ratio=_ratio(taken, name, "batch"),
                recall_at_1=float((found[:, 0] == best[:, 0]).mean()),
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
            say(f"{name} alone: python -m benchmarks.search.gallery_search --sizes {sizes} --only {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Processes that are measured in turns on one core, so that what else the machine does meets all of them.

Each has a process of its own, because the runtimes' thread pools disturb each other. Only one works at a
time. A ratio is taken within each turn, and the median over the turns is what is reported.
"""

import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.progress import track

Answer = Callable[[Any], Any]
"""Answers one question; what it measures, it measures itself."""


class Spent(NamedTuple):
    """Seconds per image. processor: of this process alone, what an undisturbed core would take."""

    processor: float
    wall: float

    def __add__(self, other: "Spent") -> "Spent":  # type: ignore[override]
        return Spent(self.processor + other.processor, self.wall + other.wall)


Sample = Mapping[str, Spent]
"""What one image took, by figure."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A process to be. start: a function of a module; it loads and warms up, and returns what answers."""

    name: str
    start: Callable[..., Answer]
    arguments: tuple[Any, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Contest:
    """The processes, all loaded; a context manager. core: for all of them, None leaves it open."""

    def __init__(self, entrants: Sequence[Entrant], core: int | None) -> None:
        self._entrants = entrants
        self._core = core
        self._pipes: dict[str, Connection] = {}
        self._processes: list[BaseProcess] = []
        self.ready_seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for entrant in track(self._entrants, "loading", console=Console(stderr=True), transient=True):
            self._pipes[entrant.name], theirs = context.Pipe()
            process = context.Process(target=_serve, args=(entrant, self._core, theirs), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self.ready_seconds[entrant.name] = self._received(entrant.name)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join()

    def ask(self, name: str, question: Any = None) -> Any:
        """Ask a process and wait for its answer."""
        self._pipes[name].send((False, question))
        return self._received(name)

    def resident_mb(self, name: str) -> float:
        """Return the most memory that a process had resident, in megabytes."""
        self._pipes[name].send((True, None))
        return float(self._received(name))

    def turns(self, names: Sequence[str], rounds: int) -> dict[str, list[Spent]]:
        """Let each process take its turn, `rounds` times; what each figure took, turn by turn."""
        taken: dict[str, list[Spent]] = {}
        for _ in track(range(rounds), "measuring", console=Console(stderr=True), transient=True):
            for name in names:
                for figure, spent in self.ask(name).items():
                    taken.setdefault(figure, []).append(spent)
        return taken

    def _received(self, name: str) -> Any:
        try:
            return self._pipes[name].recv()
        except EOFError:
            raise SystemExit(f"the process of {name} ended; its error is above") from None


def _serve(entrant: Entrant, core: int | None, pipe: Connection) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", **entrant.environment})
    begin = time.perf_counter()
    answer = entrant.start(*entrant.arguments)
    pipe.send(time.perf_counter() - begin)
    while True:
        try:
            about_memory, question = pipe.recv()
        except EOFError:
            return
        pipe.send(_most_resident_mb() if about_memory else answer(question))


def _most_resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def spent_on(work: Callable[[], object], images: int = 1) -> Spent:
    """Time a piece of work on so many images."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return Spent((time.process_time() - processor) / images, (time.perf_counter() - wall) / images)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Return how many times as fast the second is: the median over the turns of slow / fast."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))


def per_second(seconds: Sequence[float]) -> float:
    """Return the rate of the median turn."""
    return 1.0 / statistics.median(seconds)


def processor(spent: Sequence[Spent]) -> list[float]:
    """Pick the processor's seconds."""
    return [one.processor for one in spent]


def wall(spent: Sequence[Spent]) -> list[float]:
    """Pick the seconds by the wall clock."""
    return [one.wall for one in spent]


def machine() -> str:
    """Describe the machine: processor, cores, load."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line for line in lines if line.startswith("flags")), "")
    bf16 = "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "no bfloat16"
    load = os.getloadavg()[0]
    return f"{model or platform.processor()}, {bf16}, {os.cpu_count()} cores, load {load:.1f} at the start"

"""Runs of the command `rebuild`: what each said and took, killed half-way through a step if one wishes.

A killed run is one with SIGKILL to the process that was started. Its workers are not touched: they have to
end by themselves, and `run_rebuild` returns when they have.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.projection.service import PROJECTOR, is_running, peak_mb

STEPS_TO_TABLES = ("load", "sort", "compute", "index")
WORKERS_END_WITHIN_SECONDS = 60.0
MEMORY_LOOK_SECONDS = 0.25
# A report with many differences is one line.
LONGEST_LINE = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """How far a step was when last heard of."""

    seconds: float
    done: int
    total: int


@dataclass(slots=True)
class RebuildRun:
    """One run. `report` is empty when it was killed; `peaks`: most MB by process, its own under `pid`."""

    pid: int
    code: int = 0
    seconds: float = 0.0
    steps: dict[str, Step] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    peaks: dict[int, int] = field(default_factory=dict)
    workers_left: list[int] = field(default_factory=list)
    killed_in: Step | None = None
    workers_ended_within: float = 0.0

    @property
    def records(self) -> int:
        """Records that this run loaded: those it reported, or said before it was killed."""
        if "records" in self.report:
            return int(self.report["records"])
        return self.steps["load"].done if "load" in self.steps else 0

    @property
    def worker_peak_mb(self) -> int:
        """The most memory of one of its workers."""
        return max((mb for pid, mb in self.peaks.items() if pid != self.pid), default=0)

    def said(self) -> str:
        """Return how far each step came in how many seconds, and the report, in words."""
        steps = ", ".join(
            f"{name} {step.done}/{step.total} {step.seconds:.1f} s" for name, step in self.steps.items()
        )
        if self.killed_in is not None:
            return f"killed after {self.seconds:.1f} s ({steps})"
        report = {name: each for name, each in self.report.items() if name != "differences"}
        found = len(self.report.get("differences", []))
        return f"exit code {self.code} after {self.seconds:.1f} s ({steps}); {report}, {found} differences"


def rate_to_tables(runs: Sequence[RebuildRun]) -> float:
    """Return records per second into the new tables, over all runs of one rebuild.

    What killed runs took counts in full: also what was begun there and done again.
    """
    seconds = sum(run.steps[step].seconds for run in runs for step in STEPS_TO_TABLES if step in run.steps)
    return sum(run.steps["load"].done for run in runs if "load" in run.steps) / seconds


async def run_rebuild(environ: dict[str, str], workers: int, *, kill_at: str | None = None) -> RebuildRun:
    """Run the command to its end, or kill -9 it half-way through a step."""
    process = await asyncio.create_subprocess_exec(
        *(*PROJECTOR, "rebuild", "--json", "--workers", str(workers)),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    run, began = RebuildRun(process.pid), time.perf_counter()
    watching = asyncio.create_task(_watch_memory(run))
    try:
        await _listen(process, run, kill_at)
        run.code = await process.wait()
        run.seconds = time.perf_counter() - began
    finally:
        watching.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await _until_workers_end(run)
    return run


async def _listen(process: asyncio.subprocess.Process, run: RebuildRun, kill_at: str | None) -> None:
    assert process.stdout is not None  # noqa: S101
    async for line in process.stdout:
        if not line.startswith(b"{"):
            continue
        said = json.loads(line)
        if "step" in said:
            step = Step(said["seconds"], said["done"], said["total"])
            run.steps[said["step"]] = step
            if said["step"] == kill_at and run.killed_in is None and step.done * 2 >= step.total:
                _look(run)
                run.killed_in = step
                process.kill()
        elif "note" in said:
            run.notes.append(said["note"])
        elif "records" in said:
            run.report = said


async def _until_workers_end(run: RebuildRun) -> None:
    """Wait until no worker is left of those that were seen; they end with the pipe from their parent."""
    began = time.monotonic()
    while left := [pid for pid in run.peaks if pid != run.pid and is_running(pid)]:
        if time.monotonic() - began > WORKERS_END_WITHIN_SECONDS:
            run.workers_left = left
            return
        await asyncio.sleep(0.02)
    run.workers_ended_within = time.monotonic() - began


async def _watch_memory(run: RebuildRun) -> None:
    while True:
        _look(run)
        await asyncio.sleep(MEMORY_LOOK_SECONDS)


def _look(run: RebuildRun) -> None:
    """Note the memory of the run and its workers; a process that has just ended has none."""
    for pid in (run.pid, *_children(run.pid)):
        with contextlib.suppress(OSError, ValueError):
            run.peaks[pid] = peak_mb(pid)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [int(each) for each in found]
    return []

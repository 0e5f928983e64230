"""How a rebuild shows itself: bars with the time to go for a person, lines of JSON for a program."""

import json
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from attendance_projector.rebuild.report import Report

EVERY_SECONDS = 1.0
DIFFERENCES_SHOWN = 20


class Bars:
    """One bar for each step."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Progress(*columns, console=console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def step(self, name: str, total: int) -> None:
        """Begin a bar."""
        self._task = self._bars.add_task(name, total=total)

    def advance(self, count: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(text, markup=False, soft_wrap=True)

    def report(self, report: Report) -> None:
        """Print what was done, once there was something to compare."""
        if report.compared:
            print_report(self._bars.console, report)


class Lines:
    """A line of JSON for each step and note, and at most one a second for how far a step is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._total, self._done = "", 0, 0
        self._began = self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def step(self, name: str, total: int) -> None:
        """Tell that a step begins."""
        self._name, self._total, self._done = name, total, 0
        self._began = time.monotonic()
        self._tell()

    def advance(self, count: int) -> None:
        """Tell how far the step is, and the seconds to go."""
        self._done += count
        if time.monotonic() - self._told > EVERY_SECONDS or self._done >= self._total:
            self._tell()

    def note(self, text: str) -> None:
        """Tell a note."""
        self._print({"note": text})

    def report(self, report: Report) -> None:
        """Tell what was done."""
        self._print(report_as_json(report))

    def _tell(self) -> None:
        self._told = time.monotonic()
        seconds = self._told - self._began
        left = seconds * (self._total - self._done) / self._done if self._done else None
        self._print(
            {
                "step": self._name,
                "done": self._done,
                "total": self._total,
                "seconds": round(seconds, 3),
                "seconds_left": None if left is None else round(left, 1),
            }
        )

    def _print(self, fields: dict[str, Any]) -> None:
        self._console.print(json.dumps(fields), markup=False, soft_wrap=True)


def open_progress(*, as_json: bool) -> Bars | Lines:
    """Return what shows a rebuild on the standard output."""
    console = Console(highlight=False)
    return Lines(console) if as_json else Bars(console)


def report_as_json(report: Report) -> dict[str, Any]:
    """Return what a rebuild did, for scripts."""
    return {
        "records": report.records,
        "days": report.days,
        "passed_over": report.passed_over,
        "peak_memory_mb": report.peak_memory_mb,
        "expired": report.expired,
        "is_switched": report.is_switched,
        "compared": len(report.compared),
        "differences": [
            {
                "table": each.table,
                "month": each.month,
                "live_rows": each.live_rows,
                "rebuilt_rows": each.rebuilt_rows,
                "examples": list(each.examples),
            }
            for each in report.differences
        ],
    }


def print_report(console: Console, report: Report) -> None:
    """Print what a rebuild did, and every difference in words."""
    rows = sum(each.rebuilt_rows for each in report.compared)
    console.print(
        f"{report.records} records, {report.days} days; at most {report.peak_memory_mb} MB in one process; "
        f"{report.passed_over} records passed over that can never be applied",
        soft_wrap=True,
    )
    console.print(
        f"{len(report.compared)} tables and months compared, {rows} rows; {len(report.differences)} differ"
    )
    for each in report.differences[:DIFFERENCES_SHOWN]:
        console.print(f"{each.table} {each.month}: {each.live_rows} rows live, {each.rebuilt_rows} rebuilt")
        for example in each.examples:
            console.print(f"    {example}", markup=False, soft_wrap=True)
    if report.is_switched:
        console.print("switched; `rebuild --rollback` puts the earlier tables back")

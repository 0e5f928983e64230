"""`rebuild`, and the processes that it starts."""

import os
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attendance_projector.plain_failures import plain_failures
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import load_or_refuse, refuse

if TYPE_CHECKING:
    from attendance_projector.rebuild.report import Options

STOPPED = 3
CORES = os.cpu_count() or 1
FromMonth = Annotated[
    str | None,
    typer.Option("--from", metavar="YYYY-MM", help="Keep what the live tables have of earlier months."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that load and compute.")]
WillSwitch = Annotated[bool, typer.Option("--switch/--compare-only", help="Put equal tables in place.")]
Accept = Annotated[bool, typer.Option(help="Put them in place though they differ.")]
Rollback = Annotated[
    bool, typer.Option("--rollback", help="Put back the tables that the last switch took away.")
]
Tell = Annotated[
    bool, typer.Option("--tell-differences", help="Tell followers which days a switch or rollback changed.")
]
Discard = Annotated[bool, typer.Option("--discard", help="Drop what an unfinished rebuild left.")]
DropPrevious = Annotated[
    bool, typer.Option("--drop-previous", help="Drop the tables that the last switch took away.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print lines of JSON for scripts.")]


def rebuild(
    *,
    from_month: FromMonth = None,
    workers: Workers = CORES,
    switch: WillSwitch = True,
    accept_differences: Accept = False,
    rollback: Rollback = False,
    tell_differences: Tell = False,
    drop: Discard = False,
    drop_previous: DropPrevious = False,
    as_json: AsJson = False,
) -> None:
    """Build the tables again from Kafka, compare, and switch.

    They are built beside the live ones. A rebuild that was stopped goes on where it was.
    """
    settings = _settings()
    from attendance_projector.rebuild import run
    from attendance_projector.rebuild.progress import open_progress
    from attendance_projector.rebuild.report import Options

    if rollback:
        _finish(run.run_rollback(settings))
        typer.echo("the tables that the last switch took away are live again")
    elif drop or drop_previous:
        _finish(run.run_discard(settings, previous=drop_previous))
        typer.echo("dropped")
    elif tell_differences:
        with open_progress(as_json=as_json) as progress:
            _finish(run.run_telling(settings, progress))
    else:
        options = Options(workers, _first_of_month(from_month), switch, accept_differences)
        _rebuild(settings, options, as_json=as_json)


def _rebuild(settings: Settings, options: "Options", *, as_json: bool) -> None:
    """Rebuild, and report what was done also when it failed."""
    from attendance_projector.rebuild.progress import open_progress
    from attendance_projector.rebuild.report import Report
    from attendance_projector.rebuild.run import run_rebuild

    report = Report()
    with open_progress(as_json=as_json) as progress:
        try:
            _finish(run_rebuild(settings, options, progress, report))
        finally:
            progress.report(report)


def rebuild_worker() -> None:
    """One process of a rebuild; started by it."""
    settings = _settings()
    from attendance_projector.rebuild.rebuild_process import run_worker

    _finish(run_worker(settings))


def _settings() -> Settings:
    from service_kit.observing.logs import configure_logging

    settings = load_or_refuse(SERVICE, Settings)
    configure_logging("attendance-projector-rebuild", "WARNING", settings.log_json)
    return settings


def _first_of_month(text: str | None) -> date | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        refuse(SERVICE, f"--from {text} is no month; write it as 2026-03")


def _finish(work: Coroutine[Any, Any, object]) -> None:
    """Run to the end, or until SIGTERM."""
    import asyncio
    import contextlib

    from service_kit.run import run

    async def supervise(stopping: asyncio.Event) -> int:
        working, stop = asyncio.ensure_future(work), asyncio.create_task(stopping.wait())
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if working.done():
            await working
            return 0
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return STOPPED

    with plain_failures():
        code = run(supervise)
    if code:
        raise typer.Exit(code)

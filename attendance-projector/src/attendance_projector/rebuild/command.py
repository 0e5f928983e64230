"""`rebuild`, and the processes that it starts."""

import asyncio
import contextlib
import json
import os
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console

from attendance_projector.errors import ProjectorError
from attendance_projector.rebuild.progress import Bars, Lines, print_report, report_as_json
from attendance_projector.rebuild.rebuild import Options, Rebuild, discard, roll_back, tell
from attendance_projector.rebuild.worker import run_worker
from attendance_projector.settings import Settings
from service_kit.errors import ServiceKitError, SettingsError
from service_kit.observing.logs import configure_logging
from service_kit.run import run as run_until_stopped

FAILED, WRONG_USAGE, STOPPED = 1, 2, 3
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def rebuild(
    *,
    from_month: Annotated[
        str | None,
        typer.Option("--from", metavar="YYYY-MM", help="Keep what the live tables have of earlier months."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that load and compute.")] = os.cpu_count()
    or 1,
    switch: Annotated[
        bool, typer.Option("--switch/--compare-only", help="Put equal tables in place.")
    ] = True,
    accept_differences: Annotated[bool, typer.Option(help="Put them in place though they differ.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put the tables of before the switch back.")
    ] = False,
    tell_differences: Annotated[
        bool,
        typer.Option("--tell-differences", help="Tell followers which days a switch or rollback changed."),
    ] = False,
    drop: Annotated[bool, typer.Option("--discard", help="Drop what an unfinished rebuild left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines of JSON for scripts.")] = False,
) -> None:
    """Build the tables again from Kafka beside the live ones, compare, and switch; stopped, it goes on."""
    settings = _settings()
    if rollback or drop:
        _finish(roll_back(settings) if rollback else discard(settings))
        console.print("the tables of before the switch are live again" if rollback else "dropped")
        return
    if tell_differences:
        with Lines(console) if as_json else Bars(console) as progress:
            _finish(tell(settings, progress))
        return
    try:
        keep = (
            None if from_month is None else datetime.strptime(from_month, "%Y-%m").replace(tzinfo=UTC).date()
        )
    except ValueError as error:
        errors.print(f"--from {from_month} is no month; write it as 2026-03")
        raise typer.Exit(WRONG_USAGE) from error
    options = Options(workers, keep, switch, accept_differences)
    with Lines(console) if as_json else Bars(console) as progress:
        building = Rebuild(settings, options, progress)
        try:
            _finish(building.run())
        finally:
            if building.report.compared and not as_json:
                print_report(console, building.report)
            elif as_json:
                console.print(json.dumps(report_as_json(building.report)), markup=False, soft_wrap=True)


def rebuild_worker() -> None:
    """One process of a rebuild; started by it."""
    settings = _settings()
    _finish(run_worker(settings))


def _settings() -> Settings:
    try:
        settings = Settings.load()
    except SettingsError as error:
        errors.print(str(error))
        raise typer.Exit(WRONG_USAGE) from error
    configure_logging("attendance-projector-rebuild", "WARNING", settings.log_json)
    return settings


def _finish(work: Coroutine[Any, Any, object]) -> None:
    """Run to the end, or until SIGTERM."""

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

    try:
        code = run_until_stopped(supervise)
    except (ServiceKitError, ProjectorError, asyncpg.PostgresError, OSError) as error:
        errors.print(str(error) or repr(error), soft_wrap=True)
        raise typer.Exit(FAILED) from error
    if code:
        raise typer.Exit(code)

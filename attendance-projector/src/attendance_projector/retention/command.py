"""`retention`: drop the months that the settings do not keep."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from attendance_projector.errors import ProjectorError
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import Dropped, drop_months
from attendance_projector.settings import Settings
from service_kit.errors import ServiceKitError, SettingsError

FAILED, WRONG_USAGE = 1, 2
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped.")] = False,
    keep_detached: Annotated[
        bool, typer.Option("--keep-detached", help="Put the months into attendance_archive instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Drop the months that are older than the settings keep, without blocking readers; run it daily."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        errors.print(str(error))
        raise typer.Exit(WRONG_USAGE) from error

    async def run() -> Dropped:
        async with open_monthly_tables(settings.database.url.get_secret_value()) as tables:
            today = datetime.now(UTC).date()
            return await drop_months(
                tables, settings.keep, today, dry_run=dry_run, keep_detached=keep_detached
            )

    try:
        dropped = asyncio.run(run())
    except (ServiceKitError, ProjectorError, asyncpg.PostgresError, OSError) as error:
        errors.print(str(error) or repr(error))
        raise typer.Exit(FAILED) from error
    if as_json:
        console.print(json.dumps(dropped.as_json()), markup=False)
    else:
        _print(dropped)


def _print(dropped: Dropped) -> None:
    what = "would be dropped" if dropped.is_dry_run else "dropped"
    if dropped.archived_to:
        what = f"{'would be ' if dropped.is_dry_run else ''}put into {dropped.archived_to}"
    for each in dropped.months:
        size = f"about {each.row_estimate} rows, {each.bytes / 1e6:.1f} MB"
        console.print(f"{each.parent} {each.month:%Y-%m}: {size}, {what}", markup=False)
    facts_from = dropped.retention.facts_from
    if facts_from is None:
        console.print("punches of every month are kept", markup=False)
    else:
        console.print(f"facts count from {facts_from} on; earlier days are final", markup=False)
    if dropped.open_from is not None:
        console.print(
            f"payroll has closed the days before {dropped.open_from}; later ones stay", markup=False
        )
    if dropped.forgotten_punches:
        console.print(
            f"{dropped.forgotten_punches} punches by badges that nobody got will never count", markup=False
        )

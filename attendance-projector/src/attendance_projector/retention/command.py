"""`retention`: drop the months that the settings do not keep."""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from attendance_projector.plain_failures import plain_failures
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import load_or_refuse

if TYPE_CHECKING:
    from attendance_projector.retention.drop_months import Dropped


def retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped.")] = False,
    keep_detached: Annotated[
        bool, typer.Option("--keep-detached", help="Put the months into attendance_archive instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Drop the months that the settings do not keep.

    Readers are not blocked; run it daily.
    """
    settings = load_or_refuse(SERVICE, Settings)
    with plain_failures():
        dropped = asyncio.run(_drop(settings, dry_run=dry_run, keep_detached=keep_detached))
    if as_json:
        typer.echo(json.dumps(dropped.as_json()))
    else:
        _print(dropped)


async def _drop(settings: Settings, *, dry_run: bool, keep_detached: bool) -> "Dropped":
    from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
    from attendance_projector.retention.drop_months import drop_months

    async with open_monthly_tables(settings.database.url.get_secret_value()) as tables:
        today = datetime.now(UTC).date()
        return await drop_months(tables, settings.keep, today, dry_run=dry_run, keep_detached=keep_detached)


def _print(dropped: "Dropped") -> None:
    what = "would be dropped" if dropped.is_dry_run else "dropped"
    if dropped.archived_to:
        what = f"{'would be ' if dropped.is_dry_run else ''}put into {dropped.archived_to}"
    for each in dropped.months:
        size = f"about {each.row_estimate} rows, {each.bytes / 1e6:.1f} MB"
        typer.echo(f"{each.parent} {each.month:%Y-%m}: {size}, {what}")
    facts_from = dropped.retention.facts_from
    if facts_from is None:
        typer.echo("punches of every month are kept")
    else:
        typer.echo(f"facts count from {facts_from} on; earlier days are final")
    if dropped.open_from is not None:
        typer.echo(f"payroll has closed the days before {dropped.open_from}; later ones stay")
    if dropped.forgotten_punches:
        typer.echo(f"{dropped.forgotten_punches} punches by badges that nobody got will never count")

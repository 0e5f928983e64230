"""`effect`: which days a replay would change, before it is run."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from attendance_projector.plain_failures import plain_failures
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import load_or_refuse

SHOWN = 20


def effect(
    plan: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="As `attendance-ops replay plan` wrote it.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say which days a planned replay would change.

    It applies the records in a transaction that it takes back, so the answer holds until something else is
    applied. The live projector waits for it, a few seconds.
    """
    settings = load_or_refuse(SERVICE, Settings)
    with plain_failures():
        from attendance_projector.effect.run import effect_of

        found = asyncio.run(effect_of(settings, plan))
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "changed": len(found.changed),
                    "refused": found.refused,
                    "unreadable": found.unreadable,
                    "without_effect": found.without_effect,
                    "days": [each._asdict() for each in found.changed],
                },
                default=str,
            )
        )
        return
    typer.echo(f"would change {len(found.changed)} attendance day{'' if len(found.changed) == 1 else 's'}")
    for each in found.changed[:SHOWN]:
        typer.echo(
            f"  {each.change.lower()} {each.attendance_on} {each.shift_id} "
            f"of {each.person_id} ({each.org_id})"
        )
    if len(found.changed) > SHOWN:
        typer.echo(f"  and {len(found.changed) - SHOWN} more; --json has all")
    for count, what in (
        (found.refused, "would be refused"),
        (found.unreadable, "cannot be read"),
        (found.without_effect, "were applied before, or are superseded"),
    ):
        if count:
            typer.echo(f"{count} {what}")

"""The command `compare`: what the models that run side by side said about the same captures."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import Json

_SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def _instant(text: str) -> datetime:
    if text[-1:] in _SPANS and text[:-1].isdigit():
        return datetime.now(UTC) - int(text[:-1]) * _SPANS[text[-1]]
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter("an instant with its zone (2026-11-22T08:00:00Z) or 90m, 2h, 7d is needed")
    return instant


def compare(
    *,
    since: Annotated[
        datetime,
        typer.Option(
            parser=_instant,
            metavar="SINCE",
            help="An instant (2026-11-22T08:00:00Z) or a span back (2h, 7d).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.html and disagreements.csv.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare models that run side by side, on the same captures."""
    with refusing():
        from recognition_worker.composition.comparison import compare_models

        tell(asyncio.run(compare_models(since, out)), as_json=as_json)

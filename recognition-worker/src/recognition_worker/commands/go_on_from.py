"""The command `go-on-from`: where the workers go on when Kafka has forgotten how far they were."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import Json

PLACES = ("earliest", "end")
# Kafka has no earlier time.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _place(text: str) -> datetime | str:
    if text in PLACES:
        return text
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("earliest, end or a time such as 2026-07-01T06:00:00Z is needed") from None
    if instant.tzinfo is None:
        raise typer.BadParameter("the time needs an offset, such as 2026-07-01T06:00:00Z")
    if instant > datetime.now(UTC):
        raise typer.BadParameter(f"{text} is still to come; for captures that come from now on, say `end`")
    if instant < EPOCH:
        raise typer.BadParameter(f"{text} is before 1970; for all that Kafka has, say `earliest`")
    return instant


def go_on_from(
    where: Annotated[
        datetime,
        typer.Argument(
            parser=_place,
            metavar="earliest|end|TIME",
            help="The first capture to decide: the earliest that Kafka has, the next that comes, or the "
            "first that was accepted at a time or later.",
        ),
    ],
    *,
    as_json: Json = False,
) -> None:
    """Say where the workers go on when their positions are gone.

    Stop all workers first. A group that has positions is refused: its workers go on there by themselves.
    Enrolments and erasures are done from the earliest on in any case. A capture that is decided again changes
    nothing: its first decision stands.
    """
    with refusing():
        from recognition_worker.composition import kafka

        tell(asyncio.run(kafka.go_on_from(where)), as_json=as_json)

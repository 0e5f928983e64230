"""`positions`: where the projector stands in the log, and whether the log still has what comes next."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer

from attendance_projector.plain_failures import plain_failures
from attendance_projector.positions.compare_positions import (
    Bounds,
    ComparedPosition,
    State,
    compare_position,
)
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import ExitCode, load_or_refuse


def positions(
    *,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on without what the log has lost; needs the owner.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say where the projector stands, and what the log lacks.

    Exit code 1 when records are lost and nobody accepts that.
    """
    settings = load_or_refuse(SERVICE, Settings)
    with plain_failures():
        found = asyncio.run(_compare(settings, accept_loss=accept_loss))
    lost = [each for each in found if each.state is not State.FITS]
    if as_json:
        typer.echo(json.dumps({"positions": [each.as_json() for each in found], "accepted": accept_loss}))
    else:
        _print(found, lost, accept_loss=accept_loss)
    if lost and not accept_loss:
        raise typer.Exit(ExitCode.FAILED)


async def _compare(settings: Settings, *, accept_loss: bool) -> Sequence[ComparedPosition]:
    from attendance_projector.positions.adapters.stored_positions import open_stored_positions
    from attendance_schemas.topics import TOPICS, dead_letter_topics
    from service_kit.kafka.bounded_reading import bounds_of
    from service_kit.kafka.topic_ids import identify_topics

    async with open_stored_positions(settings.database.url.get_secret_value()) as stored:
        ours = {
            settings.kafka.topic(name) for name in (*TOPICS, *(each.name for each in dead_letter_topics()))
        }
        next_offsets = {each: at for each, at in (await stored.read()).items() if each.topic in ours}
        consumed = await stored.topics()
        topics = await identify_topics(settings.kafka, {each.topic for each in next_offsets})
        same = {name for name, topic in topics.items() if consumed.get(name, topic) == topic}
        bounds = await bounds_of(settings.kafka, [each for each in next_offsets if each.topic in same])
        found = []
        for each, next_offset in sorted(next_offsets.items()):
            if each in bounds:
                found.append(compare_position(each, next_offset, Bounds(*bounds[each])))
            else:
                state = State.MADE_AGAIN if each.topic in topics else State.GONE
                found.append(ComparedPosition(each, next_offset, state))
        if accept_loss:
            await stored.accept([each for each in found if each.state is not State.FITS])
        return found


def _print(found: Sequence[ComparedPosition], lost: Sequence[ComparedPosition], *, accept_loss: bool) -> None:
    for each in found:
        typer.echo(f"{each.name} at {each.next_offset}: {each.meaning}")
    if not lost:
        typer.echo("the log has everything that comes next")
    elif accept_loss:
        typer.echo(f"accepted for {len(lost)} partitions; start the projector")
    else:
        typer.echo(
            f"{len(lost)} partitions lack records. Bring the log back if there is a copy with the same\n"
            "offsets. If not: stop every projector, take a backup of the database, and run this\n"
            "with --accept-loss."
        )

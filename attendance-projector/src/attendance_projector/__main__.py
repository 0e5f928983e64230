"""`attendance-projector`: turn facts into attendance days, and look after the tables that hold them."""

import asyncio
from typing import Annotated

import typer

from attendance_projector.clock.command import clock
from attendance_projector.effect.command import effect
from attendance_projector.explain.command import explain, scenarios
from attendance_projector.plain_failures import plain_failures
from attendance_projector.positions.command import positions
from attendance_projector.rebuild.command import rebuild, rebuild_worker
from attendance_projector.retention.command import retention
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import command_line, load_or_refuse, serve_until_stopped
from service_kit.settings import DatabaseSettings


def run(
    *,
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate the database before starting.")] = False,
) -> None:
    """Project facts from Kafka into PostgreSQL until SIGTERM."""
    from attendance_projector.service import run_service

    serve_until_stopped(
        SERVICE,
        Settings,
        lambda settings, stopping: run_service(settings, stopping, migrate_first=migrate),
    )


def feed() -> None:
    """Tell Kafka and Valkey what changes, until SIGTERM.

    The change feed and presence, for a `run` with
    ATTENDANCE_PROJECTOR_FEED_CHANGES=false.
    """
    from attendance_projector.feed.run import run_feed

    serve_until_stopped(SERVICE, Settings, run_feed)


def migrate(
    *,
    pre: Annotated[
        bool, typer.Option("--pre", help="Only the steps beside which the version before still runs.")
    ] = False,
    post: Annotated[bool, typer.Option("--post", help="The rest, once no older version runs.")] = False,
) -> None:
    """Bring the tables to this version; needs DATABASE_URL alone.

    Without an option: all steps. Readers go on meanwhile.
    """
    from attendance_projector.store import migrate as tables

    url = load_or_refuse(SERVICE, DatabaseSettings).url.get_secret_value()
    with plain_failures():
        found = asyncio.run(tables.migrate_and_tell(url, "pre" if pre and not post else "head"))
    typer.echo(f"the read model is at {found}")


cli = command_line(
    SERVICE, "Turn facts into attendance days, and look after the tables that hold them.", Settings, run
)
for command in (feed, migrate, rebuild, retention, positions, clock, effect, explain, scenarios):
    cli.command()(command)
cli.command(hidden=True)(rebuild_worker)

if __name__ == "__main__":
    cli()

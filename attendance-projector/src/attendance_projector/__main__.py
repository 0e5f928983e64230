"""`python -m attendance_projector`: run the service, migrate its tables, or try the rules on a file."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn

import asyncpg
import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from attendance_projector.errors import ProjectorError
from attendance_projector.explain.command import explain
from attendance_projector.explain.print_days import print_checks
from attendance_projector.explain.scenario.check import check_scenarios
from attendance_projector.feed.service import run_feed
from attendance_projector.rebuild.command import rebuild, rebuild_worker
from attendance_projector.retention.command import retention
from attendance_projector.service import SERVICE, run_service
from attendance_projector.settings import Settings
from attendance_projector.store.migrate import head
from attendance_projector.store.migrate import migrate as migrate_database
from service_kit.errors import ServiceKitError, SettingsError
from service_kit.observing.logs import configure_logging, get_logger
from service_kit.observing.telemetry import configure_tracing
from service_kit.run import run as run_until_stopped
from service_kit.settings import DatabaseSettings

FAILED, WRONG_USAGE = 1, 2
cli = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False, add_completion=False)
cli.command()(explain)
cli.command()(rebuild)
cli.command()(retention)
cli.command(hidden=True)(rebuild_worker)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@cli.command()
def run(
    *,
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate the database before starting.")] = False,
) -> None:
    """Project facts from Kafka into PostgreSQL until SIGTERM. Settings: see README.md."""
    _serve(lambda settings, stopping: run_service(settings, stopping, migrate_first=migrate))


@cli.command()
def feed() -> None:
    """Tell what changes until SIGTERM: change feed and presence, for a `run` with FEED_CHANGES=false."""
    _serve(run_feed)


def _serve(main: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> NoReturn:
    try:
        settings = Settings.load()
    except SettingsError as error:
        errors.print(str(error))
        raise typer.Exit(WRONG_USAGE) from error
    configure_logging(SERVICE, settings.log_level, settings.log_json)
    configure_tracing(SERVICE, settings.tracing_endpoint)
    try:
        code = run_until_stopped(lambda stopping: main(settings, stopping))
    except Exception as error:  # the end of the process: log it, say so by the exit code
        get_logger(__name__).critical("the projector ends because of a failure", exc_info=error)
        raise typer.Exit(FAILED) from error
    raise typer.Exit(code)


@cli.command()
def migrate() -> None:
    """Bring the tables to this version (DATABASE_URL); migrated already, they stay as they are."""
    try:
        asyncio.run(migrate_database(DatabaseSettings.load().url.get_secret_value()))
    except (ServiceKitError, ProjectorError, SQLAlchemyError, asyncpg.PostgresError) as error:
        errors.print(str(error))
        raise typer.Exit(FAILED) from error
    console.print(f"the read model is at {head()}")


@cli.command()
def scenarios(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="NAME.json, NAME.expected.json")
    ],
) -> None:
    """Apply the rules to every scenario of a folder; print each with its rules, and every difference."""
    checked = check_scenarios(folder)
    print_checks(console, checked)
    if not checked or any(each.differences for each in checked):
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    cli()

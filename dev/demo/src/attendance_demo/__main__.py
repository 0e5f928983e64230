"""Play a morning at a plant on real components, verify it from the services' own stores, and stay up."""

import json
import signal
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from attendance_demo.errors import DemoError, NoDemoRuns
from attendance_demo.running import DEFAULT_FOLDER, metadata
from local_stack.errors import LocalStackError
from local_stack.keys.tokens import Role

FAILED, WRONG_USAGE = 1, 2
cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None)

Folder = Annotated[
    Path, typer.Option("--dir", envvar="STACK", help="Folder of the demo: its stack, logs and photos.")
]


@cli.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder of the demo: its stack, logs and photos.")
    ] = DEFAULT_FOLDER,
    faces_dir: Annotated[Path | None, typer.Option(help="Folders of photos, one per person.")] = None,
    people: Annotated[int, typer.Option(min=1, help="How many of them to enrol.")] = 20,
    *,
    once: Annotated[bool, typer.Option("--once", help="Verify and exit instead of staying up.")] = False,
) -> None:
    """Leave the choice to the command; without one, play."""
    if context.invoked_subcommand is None:
        from attendance_demo.run_demo import run_demo  # what it imports takes seconds

        run_demo(folder.absolute(), faces_dir, people, once=once)


@cli.command()
def token(
    folder: Folder = DEFAULT_FOLDER,
    *,
    role: Annotated[list[Role], typer.Option(help="Whom it is for; repeatable.")],
    subject: Annotated[str, typer.Option(help="Who it is for; a device: its id.")] = "local-user",
    org: Annotated[str, typer.Option(help="The organisation (default: that of the demo that runs).")] = "",
) -> None:
    """Print an access token for what runs: the demo, or `make up`."""
    from attendance_demo.tokens import token_for_what_runs  # it asks a database

    typer.echo(token_for_what_runs(folder, role, subject, org))


@cli.command()
def down(folder: Folder = DEFAULT_FOLDER) -> None:
    """End the demo that runs, or what a killed one left."""
    from attendance_demo.end_demo import end_demo

    ended = end_demo(folder.absolute())
    typer.echo(f"Ended the demo in {folder}." if ended else f"No demo runs in {folder}.")


@cli.command()
def shot(
    capture_id: Annotated[UUID, typer.Argument(help="A fresh UUIDv7.")], folder: Folder = DEFAULT_FOLDER
) -> None:
    """Print the metadata of a capture that a kiosk takes now.

    The same id again is the same capture.
    """
    typer.echo(json.dumps(metadata(folder, capture_id)))


def main() -> None:
    """Run the command; a known error is one sentence and exit code 1, or 2 when no demo runs."""
    try:
        cli()
    except NoDemoRuns as error:
        typer.echo(f"{error}.", err=True)
        raise SystemExit(WRONG_USAGE) from None
    except (DemoError, LocalStackError) as error:
        Console(stderr=True).print(f"[red]demo failed:[/red] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(FAILED) from error
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()

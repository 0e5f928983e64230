"""`attendance-ops`: see the log, settle dead letters, replay. What changes something asks first."""

import typer

from attendance_ops.archive.commands import archive
from attendance_ops.dead_letters.commands import dlq
from attendance_ops.reconcile.commands import reconcile
from attendance_ops.replay.commands import replay
from attendance_ops.see.commands import inspect, lag, status, trace_command
from attendance_ops.settings import COMMAND

cli = typer.Typer(
    name=COMMAND,
    help="See the log, settle dead letters, replay. What changes something asks first.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
cli.command("status")(status)
cli.command("lag")(lag)
cli.command("inspect")(inspect)
cli.command("trace")(trace_command)
cli.command("reconcile")(reconcile)
cli.add_typer(dlq, name="dlq")
cli.add_typer(replay, name="replay")
cli.add_typer(archive, name="archive")


def main() -> None:
    """Run the command."""
    cli()


if __name__ == "__main__":
    main()

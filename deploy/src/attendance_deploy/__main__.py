"""`attendance-deploy`: what an installation needs before its services start."""

import sys

import typer

from attendance_deploy.access.commands import access
from attendance_deploy.errors import DeployError
from attendance_deploy.prepare.command import prepare, token
from attendance_deploy.sizing.command import sizing

cli = typer.Typer(
    help=__doc__,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
cli.add_typer(access, name="access")
cli.command()(prepare)
cli.command()(token)
cli.command()(sizing)


def main() -> None:
    """Run the command; a known error is one sentence: exit code 1 when a server is away, else 2."""
    try:
        cli()
    except DeployError as error:
        typer.echo(f"attendance-deploy: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

"""A command that cannot do its work says why in one sentence, and ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from attendance_projector.errors import ProjectorError
from attendance_projector.settings import SERVICE
from service_kit.command import ExitCode
from service_kit.errors import ServiceKitError


@contextmanager
def plain_failures(code: int = ExitCode.FAILED) -> Iterator[None]:
    """Turn errors that an operator can do something about into a sentence and this exit code."""
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (ServiceKitError, ProjectorError, SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
        typer.echo(f"{SERVICE}: {str(error) or repr(error)}", err=True)
        raise typer.Exit(code) from error

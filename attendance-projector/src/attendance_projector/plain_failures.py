"""A command that cannot do its work says why in one sentence, and ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from attendance_projector.errors import ProjectorError
from attendance_projector.settings import SERVICE
from service_kit.command import ExitCode
from service_kit.errors import ServiceKitError, TransientFailure


@contextmanager
def plain_failures(code: int = ExitCode.FAILED) -> Iterator[None]:
    """Turn errors that an operator can do something about into a sentence and this exit code."""
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    from attendance_projector.store.postgres_errors import DEPENDENCY, SAYS_IT_IS_AWAY

    try:
        yield
    except TransientFailure as failure:
        raise _ended(f"{failure}; {_again(failure.dependency)}", code) from failure
    except SAYS_IT_IS_AWAY as error:
        # A command holds a connection for long, and the server may end or be replaced at any statement.
        raise _ended(f"{DEPENDENCY}: {str(error) or repr(error)}; {_again(DEPENDENCY)}", code) from error
    except (ServiceKitError, ProjectorError, SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
        raise _ended(str(error) or repr(error), code) from error


def _again(dependency: str) -> str:
    return f"see that {dependency} answers, then run the same command again"


def _ended(sentence: str, code: int) -> typer.Exit:
    typer.echo(f"{SERVICE}: {sentence}", err=True)
    return typer.Exit(code)

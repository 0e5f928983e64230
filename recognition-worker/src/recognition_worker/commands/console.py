"""How commands answer and refuse: figures to standard output, sentences to standard error, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from recognition_worker.errors import RecognitionError
from recognition_worker.settings import SERVICE
from service_kit.command import ExitCode, refuse
from service_kit.errors import SettingsError, TransientFailure

if TYPE_CHECKING:
    from recognition_worker.composition.answer import Answer


@contextmanager
def refusing(again: str = "try again") -> Iterator[None]:
    """End a refused command with 2 and one whose dependency is away with 1, each with a plain sentence.

    again: what to do when the dependency is back.
    """
    try:
        yield
    except (RecognitionError, SettingsError) as error:
        refuse(SERVICE, error)
    except (TransientFailure, RegistryUnavailable, SchemaNotRegistered) as error:
        typer.echo(f"{SERVICE}: {error}; {again}", err=True)
        raise typer.Exit(ExitCode.FAILED) from error


def tell(answer: Answer, *, as_json: bool) -> None:
    """Print an answer, as JSON and nothing else when a script asked for that."""
    if as_json:
        typer.echo(json.dumps(answer.as_json(), indent=2))
    else:
        answer.show()

"""How commands speak: tables of 80 columns, questions before anything is changed, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from attendance_ops.errors import OpsError
from attendance_ops.settings import COMMAND, Settings
from attendance_schemas.errors import RegistryUnavailable, SchemaError, SchemaUnknown
from service_kit.command import ExitCode, load_or_refuse, refuse
from service_kit.errors import (
    ArchiveBroken,
    LogLost,
    OverwritingStore,
    PoisonRecord,
    SettingsError,
    TransientFailure,
)

T = TypeVar("T")
WIDE = 200
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def run(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Read the settings and do the work of a command.

    Exit code 2 for what an operator has to change, 1 when a server is away or something does not add up, both
    with one sentence.
    """
    settings = load_or_refuse(COMMAND, Settings)
    try:
        return uvloop.run(work(settings))
    except (OpsError, SettingsError, OverwritingStore) as error:
        refuse(COMMAND, error)
    except (TransientFailure, RegistryUnavailable, SchemaUnknown) as error:
        fail(f"{error}; nothing is lost, try again")
    except (LogLost, ArchiveBroken, PoisonRecord, SchemaError) as error:
        fail(error)
    except KeyboardInterrupt:
        fail("stopped; what was done is recorded, and the same command goes on")


def fail(reason: object) -> NoReturn:
    """End a command that did not do its work: the reason on standard error, exit code 1."""
    err.print(f"{COMMAND}: {plain(str(reason))}", markup=False)
    raise typer.Exit(ExitCode.FAILED)


def say(line: str = "") -> None:
    """Print a line; what a record has in it cannot move the cursor or look like another line."""
    out.print(plain(line), markup=False)


def hint(line: str) -> None:
    """Print a line beside the progress, on standard error."""
    err.print(plain(line), markup=False)


def plain(text: str) -> str:
    """Return a text with whatever is not printed as a character in escapes."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def say_json(value: object) -> None:
    """Print JSON, with instants and ids as text."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: str = "") -> None:
    """Print rows under their headings; `right` names the columns of figures, with spaces between."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=False
    )
    figures = right.split()
    for column in columns:
        made.add_column(column, justify="right" if column in figures else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if value is None else plain(str(value)) for value in row))
    # A file or another command gets whole words, however long.
    Console(highlight=False, width=None if out.is_terminal else WIDE).print(made, markup=False)


def agreed(question: str, *, yes: bool) -> bool:
    """Ask before something is changed; without a terminal only --yes agrees.

    Raises typer.Exit with code 2 where nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        refuse(COMMAND, f"{question} Nobody can be asked here; say --yes")
    return typer.confirm(question)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how many of how many are done, on a terminal alone."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)

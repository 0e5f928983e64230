"""How every service is started from a shell: one command line, one way to refuse wrong settings, one end.

A service's `__main__` makes its command line with `command_line`, adds what else operators type, and lets
`serve_until_stopped` do the rest. Only the settings are imported before a command is known: what serves is
imported by the command that serves.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup

from service_kit.cores import usable_cores
from service_kit.environment import EnvironmentSettings, group_of
from service_kit.errors import CannotListen, SettingsError
from service_kit.probe import What, probe
from service_kit.settings import HttpSettings, ServiceSettings

if TYPE_CHECKING:  # Typer brings its own copy of click, whose types it names nowhere else
    from typer._click.core import Context
    from typer._click.formatting import HelpFormatter

S = TypeVar("S", bound=EnvironmentSettings)
T = TypeVar("T", bound=ServiceSettings)
CHECK_HELP = "Check the settings and exit."
MOST_WORKERS = 64
CONCURRENCY = "WEB_CONCURRENCY"
Workers = Annotated[
    str | None,
    typer.Option("--workers", help="Processes behind the port: a number, or cores.", envvar=CONCURRENCY),
]


class ExitCode(IntEnum):
    """What a shell and a supervisor learn from the end of a command."""

    DONE = 0
    FAILED = 1
    """Something broke; the supervisor may start it again."""
    REFUSED = 2
    """Wrong usage or settings: an operator has to change something first."""


def command_line(
    name: str,
    purpose: str,
    settings: type[T],
    run: Callable[..., None],
    *,
    check: Callable[[T], None] = lambda _settings: None,
) -> typer.Typer:
    """Make the command line of a service: `run`, also by the bare name, `--check-config`, and `--help`.

    `--help` lists the settings. The caller adds further commands. `check` looks at what the settings name,
    where no single variable can be checked; it raises SettingsError.
    """

    def check_and_end() -> NoReturn:
        loaded = load_or_refuse(name, settings)
        try:
            check(loaded)
        except SettingsError as error:
            refuse(name, error)
        typer.echo("the settings are complete")
        raise typer.Exit(ExitCode.DONE)

    class RunOrCheck(TyperCommand):
        """`run`, which takes --check-config as the bare name does."""

        def parse_args(self, context: Context, arguments: list[str]) -> list[str]:
            if "--check-config" in arguments:
                check_and_end()
            return super().parse_args(context, arguments)

    class WithSettings(TyperGroup):
        def format_epilog(self, _context: Context, formatter: HelpFormatter) -> None:
            with formatter.section("Settings, from the environment"):
                formatter.write_dl(list(_described(settings)))

    cli = typer.Typer(
        cls=WithSettings,
        help=purpose,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    cli.command("run", cls=RunOrCheck, epilog="--check-config checks the settings and ends.")(run)
    if issubclass(settings, HttpSettings):
        cli.command("probe")(_probe_of(name, settings))

    @cli.callback(invoke_without_command=True)
    def start(
        context: typer.Context,
        *,
        check_config: Annotated[bool, typer.Option("--check-config", help=CHECK_HELP)] = False,
    ) -> None:
        if check_config:
            check_and_end()
        if context.invoked_subcommand is None:
            run()

    start.__doc__ = purpose
    return cli


def _probe_of(name: str, settings: type[HttpSettings]) -> Callable[[What], None]:
    def ask(
        what: Annotated[
            What, typer.Argument(help="Whether it lives (else restart it), or takes traffic now.")
        ],
    ) -> None:
        """Ask the process that runs with these settings how it is.

        Exit code 0 when all is well; it prints the answer. For health checks of containers.
        """
        answer = probe(load_or_refuse(name, settings), what)
        typer.echo(answer.text)
        raise typer.Exit(ExitCode.DONE if answer.is_well else ExitCode.FAILED)

    return ask


def load_or_refuse(name: str, settings: type[S]) -> S:
    """Read the settings of a command, or end it with one plain sentence and exit code 2."""
    try:
        return settings.load()
    except SettingsError as error:
        refuse(name, error)


def refuse(name: str, reason: object) -> NoReturn:
    """End a command that must not start: the reason on standard error, exit code 2."""
    typer.echo(f"{name}: {reason}", err=True)
    raise typer.Exit(ExitCode.REFUSED)


def serve_until_stopped(
    name: str,
    settings: type[T],
    main: Callable[[T, asyncio.Event], Awaitable[int | None]],
    *,
    refusals: tuple[type[Exception], ...] = (),
    workers: int = 1,
) -> NoReturn:
    """Read the settings, set logs and traces up, and run `main` until a signal asks it to stop.

    Exit code 0 after a stop, 2 for wrong settings and for `refusals` (errors that say what an operator has to
    change), 1 for any other error, which is logged. With several `workers`, each process runs `main`.
    """
    from service_kit.observing.logs import configure_logging
    from service_kit.observing.telemetry import configure_tracing
    from service_kit.run import run

    loaded = load_or_refuse(name, settings)
    configure_logging(name, loaded.log_level, loaded.log_json)

    def serve() -> int:
        configure_tracing(name, loaded.tracing_endpoint)  # its thread would not live through a fork
        return run(lambda stopping: main(loaded, stopping))

    serve_to_the_end = partial(_code_of, serve, name, loaded, refusals)
    if workers == 1 or not isinstance(loaded, HttpSettings):
        raise typer.Exit(serve_to_the_end())
    os.environ.pop(CONCURRENCY, None)  # it has been read; gunicorn would take it for a number at its import
    from service_kit.workers import supervise

    supervised = partial(supervise, workers, loaded.host, loaded.port, serve_to_the_end)
    raise typer.Exit(_code_of(supervised, name, loaded, refusals))


def count_of_workers(given: str | None) -> int:
    """Return how many processes are meant by an option or WEB_CONCURRENCY: a number, or `cores`."""
    text = given or os.environ.get(CONCURRENCY) or "1"
    if text == "cores":
        return usable_cores()
    if not (text.isdecimal() and 0 < int(text) <= MOST_WORKERS):
        raise typer.BadParameter(f"write a number from 1 to {MOST_WORKERS}, or cores", param_hint="--workers")
    return int(text)


def _code_of(
    serve: Callable[[], int], name: str, loaded: ServiceSettings, refusals: tuple[type[Exception], ...]
) -> int:
    """Return the exit code of what serves; an error is logged, with what to do where that is known."""
    from service_kit.observing.logs import get_logger

    log = get_logger(name)
    try:
        return serve()
    except Exception as raised:
        error = _alone(raised)
        if isinstance(error, refusals):
            log.critical("cannot start", exc_info=error)
            return ExitCode.REFUSED
        if isinstance(error, CannotListen):
            host, port = map(loaded.variable, ("host", "port"))
            log.critical("cannot start", reason=str(error), advice=f"free the port, or set {host} and {port}")
        else:
            log.critical("ended by an error; what was in hand is not committed", exc_info=error)
        return ExitCode.FAILED


def _alone(error: Exception) -> Exception:
    """Return the error that a group of tasks holds when it is the only one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _described(settings: type[EnvironmentSettings]) -> Iterator[tuple[str, str]]:
    """Yield each variable with what it is, and whether it has to be set; those that have to come first."""
    groups = []
    for field, info in sorted(settings.model_fields.items(), key=lambda each: not each[1].is_required()):
        if (group := group_of(info.annotation)) is not None:
            groups.append(group)
            continue
        yield (
            settings.variable(field),
            f"{info.description} ({_otherwise(info)})" if info.description else _otherwise(info),
        )
    for group in groups:
        yield from _described(group)


def _otherwise(info: FieldInfo) -> str:
    """Say what holds when the variable is not set."""
    if info.is_required() or info.validate_default:  # the default is refused with advice
        return "required"
    default = info.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = "a secret" if default else ""
    return "off" if default in (None, "") else f"default {default}"

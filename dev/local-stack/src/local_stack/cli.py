"""The command line `local-stack`."""

import json
import time
from collections import deque
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local_stack.errors import LocalStackError
from local_stack.files import is_locked, tail
from local_stack.keys.tokens import Role, sign_token
from local_stack.running.orphans import SERVICES, end_orphans
from local_stack.running.stack import Stack
from local_stack.running.state import CLUSTER, SINGLE_BROKER, load_state
from local_stack.running.status import Phase
from local_stack.settings import CACHE_VARIABLE, DIRECTORY_VARIABLE, command_for
from local_stack.view import fetch_with_progress, start_view, status_table

app = typer.Typer(
    name="local-stack",
    help="Real Kafka, schema registry, PostgreSQL, S3 and Valkey on loopback, from packages, without Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(soft_wrap=True, highlight=False)
FOLLOW_SECONDS = 0.2
BROKERS = (SINGLE_BROKER, CLUSTER)


Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir", help=f"Folder of the stack (default: ${DIRECTORY_VARIABLE} or .local-stack/default)."
    ),
]
ServiceName = Annotated[str, typer.Argument(help="A name from `local-stack status`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def up(
    *,
    brokers: Annotated[
        int | None, typer.Option(help="Kafka nodes: 1 or 3 (default: as before, else 1).")
    ] = None,
    replica: Annotated[
        bool | None,
        typer.Option("--replica/--no-replica", help="A streaming PostgreSQL replica (default: as before)."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when all is ready; keep it running.")
    ] = False,
    directory: Directory = None,
    cache: Annotated[
        Path | None,
        typer.Option(help=f"Folder of the downloads (default: ${CACHE_VARIABLE} or .local-stack/cache)."),
    ] = None,
) -> None:
    """Start all servers; without --detach until Ctrl-C."""
    if brokers is not None and brokers not in BROKERS:
        raise typer.BadParameter("one or three brokers", param_hint="--brokers")
    stack = Stack(directory, cache)
    if stack.is_running:
        _leave_running(stack)
        return
    began = time.monotonic()
    fetch_with_progress(stack.cache, out)
    if detach:
        with start_view(out) as view:
            stack.up(brokers=brokers, replica=replica, on_status=view)
        out.print(f"Ready after {time.monotonic() - began:.1f} s in {stack.folder}", markup=False)
        variables, end = (command_for(stack.folder, command) for command in ("env", "down"))
        out.print(f"Services find it after `eval $({variables})`; `{end}` stops it.", markup=False)
        return
    _foreground(stack, brokers, replica)


def _leave_running(stack: Stack) -> None:
    stack.up()  # another command may have begun to start it just now
    if crashed := stack.status().crashed:
        cures = ", ".join(
            f"{service.name} crashed: `{command_for(stack.folder, f'start {service.name}')}`"
            for service in crashed
        )
        raise LocalStackError(f"The stack in {stack.folder} is running, but {cures}.")
    out.print(f"The stack in {stack.folder} is already running; nothing was changed.", markup=False)


def _foreground(stack: Stack, brokers: int | None, replica: bool | None) -> None:
    from local_stack.running.session import supervise

    state = stack.prepare(brokers=brokers, replica=replica)
    with start_view(out) as view:
        supervise(stack.folder, state, stack.cache, on_change=view)
    out.print(f"Stopped {stack.folder}.", markup=False)


@app.command()
def down(
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the data and the folder, too.")] = False,
    directory: Directory = None,
) -> None:
    """Stop all servers; the data stays, unless --delete is given.

    Services that a killed demo left beside this stack end, too.
    """
    stack = Stack(directory)
    ran = stack.down()
    for path in sorted(stack.folder.parent.glob(f"*/{SERVICES}")):
        if left := end_orphans(path.parent, kind=SERVICES):
            servers = command_for(path.parent, "down")
            out.print(
                f"Ended {left} processes that a killed demo left; `{servers}` stops its servers.",
                markup=False,
            )
    if delete:
        stack.delete()
    out.print(f"Stopped {stack.folder}." if ran else f"No stack runs in {stack.folder}.", markup=False)


@app.command()
def idle() -> None:
    """Fail while anything runs below .local-stack.

    What killed runs left there is ended.
    """
    for folder in sorted(path for path in Path(".local-stack").absolute().glob("*") if path.is_dir()):
        if any(is_locked(lock) for lock in folder.glob("*.lock")):
            raise LocalStackError(
                f"Something runs in {folder}. End a demo with Ctrl-C in its terminal; "
                f"end a stack with `{command_for(folder, 'down')}`."
            )
        Stack(folder).down()


@app.command()
def status(*, as_json: AsJson = False, directory: Directory = None) -> None:
    """Show the servers; exit 1 when not all are ready."""
    stack = Stack(directory)
    found = stack.status()
    if as_json:
        typer.echo(json.dumps({"folder": str(stack.folder), **asdict(found)}, indent=2))
    elif found.phase is Phase.DOWN:
        out.print(f"No stack runs in {stack.folder}.", markup=False)
    else:
        out.print(status_table(found))
        for service in found.crashed:
            cure = command_for(stack.folder, f"start {service.name}")
            out.print(f"\n{service.detail} Bring it back with `{cure}`.", markup=False)
            out.print(tail(Path(service.log)), markup=False, style="dim")
    if not found.is_ready:
        raise typer.Exit(1)


@app.command()
def env(
    *,
    as_json: AsJson = False,
    proxied: Annotated[
        bool, typer.Option("--proxied", help="Through Toxiproxy; `local-stack start toxiproxy` first.")
    ] = False,
    directory: Directory = None,
) -> None:
    """Print the variables by which services find it, for `eval`."""
    stack = Stack(directory)
    found = stack.env_through_proxies if proxied else stack.env
    typer.echo(json.dumps(found.environ(), indent=2) if as_json else found.exports())


@app.command()
def stop(
    service: ServiceName,
    *,
    kill: Annotated[bool, typer.Option("--kill", help="SIGKILL, as a crash would.")] = False,
    directory: Directory = None,
) -> None:
    """Take one server away."""
    Stack(directory).stop_service(service, kill=kill)


@app.command()
def start(service: ServiceName, *, directory: Directory = None) -> None:
    """Bring one server back and wait until it answers."""
    Stack(directory).start_service(service)


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help="A service, or `supervisor`; all without it.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    lines: Annotated[int, typer.Option(help="How many lines from the end.")] = 50,
    directory: Directory = None,
) -> None:
    """Print the ends of the logs."""
    folder = Stack(directory).folder / "logs"
    paths = sorted(folder.glob(f"{service or '*'}.log"))
    if not paths:
        raise LocalStackError(
            f"There is no log {service or ''} in {folder}; "
            f"see `{command_for(folder.parent, 'status')}` for the names."
        )
    positions: deque[tuple[Path, int]] = deque()
    for path in paths:
        positions.append((path, path.stat().st_size))
        _print_log(path, tail(path, lines), prefixed=len(paths) > 1)
    while follow:
        path, position = positions.popleft()
        with path.open("rb") as handle:
            # A log that was put aside starts again at its beginning.
            handle.seek(position if position <= path.stat().st_size else 0)
            fresh = handle.read()
            positions.append((path, handle.tell()))
        if fresh:
            _print_log(path, fresh.decode(errors="replace").rstrip("\n"), prefixed=len(paths) > 1)
        else:
            time.sleep(FOLLOW_SECONDS / len(paths))


def _print_log(path: Path, text: str, *, prefixed: bool) -> None:
    for line in text.splitlines():
        typer.echo(f"{path.stem:<16} {line}" if prefixed else line)


@app.command()
def token(
    *,
    role: Annotated[list[Role], typer.Option("--role", help="Whom it is for; repeatable.")],
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "local-user",
    org: Annotated[str, typer.Option(help="The organisation, claim `tenant`.")] = "acme",
    site: Annotated[list[str] | None, typer.Option("--site", help="Only this site; repeatable.")] = None,
    ttl: Annotated[float, typer.Option(help="Hours until it expires.")] = 8.0,
    directory: Directory = None,
) -> None:
    """Print an access token (RS256) signed with the key of the stack."""
    signed = sign_token(
        Stack(directory).folder,
        roles=role,
        subject=subject,
        organisation=org,
        sites=site or (),
        lifetime=timedelta(hours=ttl),
    )
    typer.echo(signed)


@app.command(hidden=True)
def supervise(folder: Path, cache: Path) -> None:
    """Start the supervisor of a prepared folder and return; what `up --detach` calls."""
    from local_stack.running.session import supervise_in_background

    stack = Stack(folder, cache)
    state = load_state(stack.folder)
    if state is None:
        raise LocalStackError(
            f"There is no stack in {stack.folder}; run `{command_for(stack.folder, 'up')}` first."
        )
    supervise_in_background(stack.folder, state, stack.cache)

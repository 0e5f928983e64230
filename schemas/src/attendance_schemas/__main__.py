"""The command `attendance-schemas`: list the contract, apply it to a cluster, check and release schemas."""

import asyncio
import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from attendance_schemas.compatibility import incompatibilities, releases, write_release
from attendance_schemas.connection import client_options, registry_tls
from attendance_schemas.errors import BrokerUnavailable, RegistryUnavailable, SchemaError
from attendance_schemas.schema_files import missing_ids, number
from attendance_schemas.topics import TOPICS

if TYPE_CHECKING:
    from attendance_schemas.apply import Plan

cli = typer.Typer(
    no_args_is_help=True,
    help="List the contract, apply it to a cluster, check and release its schemas.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console()
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Released = Annotated[Path, typer.Option(help="Folder of the released schemas.")]
Registered = Annotated[Path, typer.Option(help="Folder of the schemas by their ids.")]
RELEASED, REGISTERED = Path("schemas/released"), Path("schemas/registered")
AWAY, REFUSED, WOULD_CHANGE = 1, 2, 3


def _current() -> Path:
    return Path(str(files("attendance_schemas").joinpath("avro")))


def say(sentence: str) -> None:
    """Print a sentence; numbers and names have no colours of their own."""
    console.print(sentence, highlight=False)


@cli.command("list")
def list_topics(*, as_json: Json = False) -> None:
    """List the topics: keys, retention, who uses them."""
    if as_json:
        console.print_json(json.dumps([asdict(topic) for topic in TOPICS.values()]))
        return
    for topic in TOPICS.values():
        console.print(f"[bold]{topic.name}[/bold]  {topic.kept}, partitions: {topic.partitions}")
        console.print(f"  from {', '.join(topic.producers)} to {', '.join(topic.consumers)}")
        for name, key in topic.events.items():
            console.print(f"  {name}, key {key}", highlight=False)


@cli.command()
def apply(
    bootstrap_servers: Annotated[str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port,...")],
    registry_url: Annotated[
        str, typer.Option(envvar="SCHEMA_REGISTRY_URL", help="Confluent API of the registry.")
    ],
    prefix: Annotated[
        str, typer.Option(envvar="KAFKA_TOPIC_PREFIX", help="Put before every topic name.")
    ] = "",
    *,
    single_broker: Annotated[
        bool,
        typer.Option(
            "--single-broker",
            envvar="KAFKA_SINGLE_BROKER",
            help="One replica of everything: a lost disk is a lost log. For development.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be done; exit code 3 when there is something."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make topics and schemas what their files say, and never less than they are.

    It says what it does first. Applying twice changes nothing. It reads the variables that the services read,
    such as KAFKA_SECURITY_PROTOCOL.
    """
    from attendance_schemas.apply import apply as apply_contract

    plan = asyncio.run(
        apply_contract(
            bootstrap_servers,
            registry_url,
            prefix=prefix,
            single_broker=single_broker,
            dry_run=dry_run,
            client_options=client_options(),
            registry_tls=registry_tls(registry_url),
            on_plan=lambda plan: _print_plan(plan, as_json=as_json),
        )
    )
    if plan.refused:
        raise typer.Exit(REFUSED)
    if dry_run and plan.steps:
        raise typer.Exit(WOULD_CHANGE)
    if not as_json:
        say("nothing to do" if not plan.steps else "done")


def _print_plan(plan: "Plan", *, as_json: bool) -> None:
    if as_json:
        texts = {"imports": [*plan.imports], "archive": [*plan.archive]}
        console.print_json(json.dumps(asdict(plan) | texts))
        return
    for step in plan.steps:
        say(step)
    for kept in plan.kept:
        say(f"[cyan]kept[/cyan] {kept}")
    for warning in plan.warnings:
        say(f"[yellow]warning[/yellow] {warning}")
    for refused in plan.refused:
        say(f"[red]refused[/red] {refused}")


@cli.command()
def check(released: Released = RELEASED, registered: Registered = REGISTERED) -> None:
    """Check that releases and today's schemas read each other as their topics need, and that each has its id.

    Exit code 1 when one does not.
    """
    found = [*map(str, incompatibilities(_current(), released))]
    versions = releases(released)
    if not versions:
        raise SchemaError(
            f"no release found under {released}; run it from the project's root or name --released"
        )
    found += missing_ids(registered, _current(), *versions)
    for problem in found:
        say(f"[red]breaking[/red] {problem}")
    if found:
        raise typer.Exit(1)
    say(f"schemas read every release: {', '.join(each.name for each in versions)}; each has its id")


@cli.command("number")
def number_schemas(registered: Registered = REGISTERED) -> None:
    """Keep the text of each of today's schemas under its id.

    Records name these ids for ever after, so no file of that folder is ever changed or removed.
    """
    for path in number(_current(), registered):
        say(f"written {path}")


@cli.command()
def release(version: str, released: Released = RELEASED) -> None:
    """Write today's schemas as release VERSION.

    Later schemas must read them, for ever after.
    """
    say(f"written {write_release(_current(), released, version)}")


def main() -> None:
    """Run the command; a known error is one line, and exit code 1 when a server is away, else 2."""
    try:
        cli()
    except SchemaError as error:
        Console(stderr=True).print(f"[red]error[/red] {error}")
        is_away = isinstance(error, BrokerUnavailable | RegistryUnavailable)
        raise SystemExit(AWAY if is_away else REFUSED) from error


if __name__ == "__main__":
    main()

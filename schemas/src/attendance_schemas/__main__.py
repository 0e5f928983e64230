"""The command `attendance-schemas`: list the contract, apply it to a cluster, check and release schemas."""

import asyncio
import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from attendance_schemas.compatibility import incompatibilities, releases, write_release
from attendance_schemas.errors import BrokerUnavailable, RegistryUnavailable, SchemaError
from attendance_schemas.topics import TOPICS

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
RELEASED = Path("schemas/released")
AWAY, REFUSED = 1, 2


def _current() -> Path:
    return Path(str(files("attendance_schemas").joinpath("avro")))


@cli.command("list")
def list_topics(*, as_json: Json = False) -> None:
    """List the topics: keys, retention, who uses them."""
    if as_json:
        console.print_json(json.dumps([asdict(topic) for topic in TOPICS.values()]))
        return
    for topic in TOPICS.values():
        kept = "kept for ever" if topic.retention_days is None else f"kept {topic.retention_days} days"
        kept = "compacted" if "compact" in topic.cleanup else kept
        console.print(f"[bold]{topic.name}[/bold]  {topic.partitions} partitions, {kept}")
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
    as_json: Json = False,
) -> None:
    """Create topics, register schemas.

    Applying twice changes nothing.
    """
    from attendance_schemas.apply import apply as apply_contract

    applied = asyncio.run(apply_contract(bootstrap_servers, registry_url, prefix=prefix))
    if as_json:
        console.print_json(json.dumps(asdict(applied)))
        return
    console.print(
        f"{len(applied.created)} topics created, {len(applied.configured)} configured, "
        f"{len(applied.subjects)} schemas registered"
    )


@cli.command()
def check(released: Released = RELEASED) -> None:
    """Check that today's schemas read every release.

    Exit code 1 when one cannot.
    """
    found = incompatibilities(_current(), released)
    for incompatibility in found:
        console.print(f"[red]breaking[/red] {incompatibility}")
    if found:
        raise typer.Exit(1)
    versions = [release.name for release in releases(released)]
    if not versions:
        raise SchemaError(
            f"no release found under {released}; run it from the project's root or name --released"
        )
    console.print(f"schemas read every release: {', '.join(versions)}")


@cli.command()
def release(version: str, released: Released = RELEASED) -> None:
    """Write today's schemas as release VERSION.

    Later schemas must read them, for ever after.
    """
    console.print(f"written {write_release(_current(), released, version)}")


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

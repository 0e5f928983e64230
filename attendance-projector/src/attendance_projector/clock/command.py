"""`clock`: how far time has come in the tables, and a reset of what was wrong."""

import asyncio
import getpass
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from attendance_projector.plain_failures import plain_failures
from attendance_projector.settings import SERVICE, Settings
from service_kit.command import ExitCode, load_or_refuse


def clock(
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Set it back to now, by a record; needs --reason.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    by: Annotated[str, typer.Option(help="Who; it is recorded. Unless named, the user of the machine.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say how far time has come in the tables, or set it back.

    Time only moves forward by itself: an instant that was wrong
    makes people absent on days that have not come.
    """
    settings = load_or_refuse(SERVICE, Settings)
    if reset and not reason.strip():
        typer.echo(f"{SERVICE}: --reset needs --reason: say what was wrong", err=True)
        raise typer.Exit(ExitCode.REFUSED)
    now = datetime.now(UTC)
    with plain_failures():
        as_of = asyncio.run(
            _read_or_reset(settings, now, reason.strip(), by or getpass.getuser(), reset=reset)
        )
    if as_json:
        typer.echo(json.dumps({"as_of": as_of and as_of.isoformat(), "now": now.isoformat(), "reset": reset}))
    elif reset:
        typer.echo(f"recorded: time is {now:%Y-%m-%d %H:%M} UTC. Projectors compute later days again.")
    elif as_of is None:
        typer.echo("no instant has come yet: no projector has run")
    else:
        ahead = as_of > now
        typer.echo(
            f"time has come to {as_of:%Y-%m-%d %H:%M} UTC, {abs(now - as_of)} "
            f"{'ahead of' if ahead else 'behind'} this machine"
        )


async def _read_or_reset(
    settings: Settings, now: datetime, reason: str, by: str, *, reset: bool
) -> datetime | None:
    from attendance_projector.projection.adapters.kafka_tick_publisher import KafkaTickPublisher
    from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel, open_pool
    from attendance_projector.projection.tick_clock import reset_clock
    from attendance_schemas.codec import Codec
    from attendance_schemas.registry import SchemaRegistry
    from service_kit.kafka.producer import RecordProducer

    async with open_pool(settings.database.url.get_secret_value(), connections=1, will_write=False) as pool:
        as_of = await PostgresReadModel(pool).as_of()
    if reset:
        async with (
            SchemaRegistry(settings.registry.url, settings.registry.tls()) as registry,
            RecordProducer(settings.kafka) as producer,
        ):
            codec = Codec(registry, prefix=settings.kafka.topic_prefix)
            await reset_clock(KafkaTickPublisher(producer, codec, settings.kafka), now, by, reason)
    return as_of

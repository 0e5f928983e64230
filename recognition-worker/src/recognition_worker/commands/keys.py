"""The commands `new-key` and `re-encrypt`."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from recognition_worker.commands.console import refusing
from recognition_worker.settings import SERVICE, Settings
from service_kit.command import load_or_refuse, refuse
from service_kit.state.envelope import InvalidKeys
from service_kit.state.envelope import new_key as make_key


def new_key(
    *,
    name: Annotated[str | None, typer.Option("--id", help="Its name; by default today's date.")] = None,
) -> None:
    """Make a key-encryption key and print it."""
    try:
        made = make_key(name or datetime.now(UTC).strftime("%Y-%m-%d"))
    except InvalidKeys as error:
        refuse(SERVICE, error)
    typer.echo(f"TEMPLATE_ENCRYPTION_KEYS={made}")


def re_encrypt(
    *,
    forget_unreadable: Annotated[
        bool,
        typer.Option(
            "--forget-unreadable",
            help="First erase keys, and their templates, that no configured key-encryption key opens.",
        ),
    ] = False,
) -> None:
    """Wrap all keys with the first key-encryption key.

    Templates of 0.1.0, which were not sealed, are sealed first.
    """
    settings = load_or_refuse(SERVICE, Settings)
    with refusing("run it again, what is done stays done"):
        from recognition_worker.composition import re_encryption
        from service_kit.observing.logs import configure_logging

        configure_logging(SERVICE, settings.log_level, settings.log_json)
        typer.echo(asyncio.run(re_encryption.re_encrypt(settings, forget_unreadable=forget_unreadable)))

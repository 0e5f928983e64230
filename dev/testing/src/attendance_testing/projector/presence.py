"""Presence in Valkey as the projector keeps it, for tests of those who read it."""

from collections.abc import Sequence
from datetime import datetime

from attendance_projector.feed.adapters.postgres_presence_source import open_presence_source
from attendance_projector.feed.adapters.valkey_presence_board import open_presence_board
from attendance_schemas.presence import OpenDay


async def fill_presence(valkey_url: str, prefix: str, days: Sequence[OpenDay]) -> None:
    """Make the cache of an installation whole: these people are in, nobody else."""
    async with open_presence_board(valkey_url, prefix) as board:
        await board.fill(days)


async def open_days_of(database_url: str, since: datetime) -> Sequence[OpenDay]:
    """Return who is in by the tables, since an instant."""
    async with open_presence_source(database_url) as source:
        return (await source.open_days(since)).days

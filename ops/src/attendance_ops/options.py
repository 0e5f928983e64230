"""Options that several commands have, with one meaning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import typer

from attendance_ops.log.reading import Log, open_log
from attendance_ops.log.selection import Selection, check_topic, offsets_of, pairs_of, where_of
from attendance_ops.log.times import FORMS, instant_of
from attendance_ops.operations import Operations, open_operations
from attendance_ops.settings import Settings
from attendance_ops.who_may_see import sees_all

Since = Annotated[str | None, typer.Option("--from", help=f"Written then or later: {FORMS}.")]
Until = Annotated[str | None, typer.Option("--to", help="Written before then.")]
Partition = Annotated[int | None, typer.Option("--partition", help="Only of this partition.")]
Offsets = Annotated[
    list[str] | None, typer.Option("--offset", help="PARTITION:OFFSET, or 3:120-180; may be repeated.")
]
Key = Annotated[str | None, typer.Option("--key", help="With this record key.")]
EventName = Annotated[str | None, typer.Option("--event", help="With this event, such as PunchAdded.")]
Reason = Annotated[
    str | None, typer.Option("--dead-because", help="Dead letters with this reason, such as image-missing.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", help="FIELD=VALUE; org, site, device, person, capture for short. Repeat for and."
    ),
]
Header = Annotated[
    list[str] | None, typer.Option("--header", help="NAME=VALUE of a header; may be repeated.")
]


def instant(text: str | None) -> datetime | None:
    """Read a time that an option may have, in the machine's zone."""
    return None if text is None else instant_of(text, datetime.now().astimezone())


def selection_of(
    topic: str,
    *,
    since: str | None = None,
    until: str | None = None,
    partition: int | None = None,
    offset: list[str] | None = None,
    key: str | None = None,
    event: str | None = None,
    reason: str | None = None,
    where: list[str] | None = None,
    header: list[str] | None = None,
) -> Selection:
    """Read what options select. Raises WrongSelection."""
    return Selection(
        check_topic(topic),
        since=instant(since),
        until=instant(until),
        partition=partition,
        offsets=offsets_of(offset or []),
        key=key,
        event=event,
        reason=reason,
        where=where_of(where or []),
        headers=pairs_of(header or []),
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Log]:
    """Give the log as whoever asks may see it."""
    may_see = await sees_all(settings)
    async with open_log(settings.kafka, settings.registry, settings.archive, sees_all=may_see) as log:
        yield log


@asynccontextmanager
async def operating(settings: Settings) -> AsyncIterator[Operations]:
    """Give the log with what operators did, and what writes to both."""
    async with opened(settings) as log, open_operations(log) as operations:
        yield operations

"""Presence in Valkey, laid out as `attendance_schemas.presence` says.

Days and their counts change together, in scripts of the server, and no count is ever taken from what is
there: a loss would count as right. The changes are counted, too: a replica that lagged, or a disk that lacks
the last second, has days and counts that agree, of a moment ago.
"""

import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import (
    COUNTED,
    OpenDay,
    counts_key,
    day_field,
    day_value,
    days_key,
    marker_key,
)
from service_kit.errors import TransientFailure
from service_kit.state.valkey import valkey_client

CALL_SECONDS = 5.0
DAYS_AT_ONCE = 1000
# Without a keeper, presence is told for this long and then no more.
WHOLE_FOR = timedelta(seconds=15)
# A generation is filled anew before that; what nobody keeps is forgotten by the server.
KEPT_FOR = timedelta(hours=2)
MILLISECOND = timedelta(milliseconds=1)
_SCRIPTS = files("attendance_projector.feed.adapters")
PUT = _SCRIPTS.joinpath("put_presence.lua").read_text(encoding="utf-8")
RENEW = _SCRIPTS.joinpath("renew_presence.lua").read_text(encoding="utf-8")


@dataclass(slots=True)
class _News:
    """What changes in the hash of one organisation: fields with their values, and fields that go."""

    opened: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)


class ValkeyPresenceBoard:
    """A PresenceBoard over Valkey; use `open_presence_board`. `prefix` keeps installations apart."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._put = client.register_script(PUT)
        self._renew = client.register_script(RENEW)
        self._generation = ""
        self._change_count = 0

    async def fill(self, days: Sequence[OpenDay]) -> None:
        """Begin a generation with these days and call it whole."""
        self._generation = uuid4().hex
        self._change_count = 0
        counts = counts_key(self._prefix, self._generation)
        with _naming_outages():
            async with self._client.pipeline() as pipeline:
                pipeline.hset(counts, COUNTED, str(self._change_count))
                pipeline.pexpire(counts, KEPT_FOR)
                await pipeline.execute()
        for start in range(0, len(days), DAYS_AT_ONCE):
            await self.put(days[start : start + DAYS_AT_ONCE], [])
        with _naming_outages():
            await self._client.set(marker_key(self._prefix), self._generation, px=WHOLE_FOR)

    async def put(self, opened: Sequence[OpenDay], closed: Sequence[AttendanceDayChanged]) -> None:
        """Add or replace open days of this generation, and take others away."""
        counts = counts_key(self._prefix, self._generation)
        with _naming_outages():
            for org_id, news in _by_organisation(opened, closed).items():
                pairs = [text for pair in news.opened.items() for text in pair]
                self._change_count = await self._put(
                    keys=[days_key(self._prefix, self._generation, org_id), counts],
                    args=[org_id, KEPT_FOR // MILLISECOND, len(news.opened), *pairs, *news.closed],
                )

    async def renew(self) -> bool:
        """Call this generation whole for some more seconds; False when the cache has lost any of it.

        Also when it went back to an earlier state.
        """
        with _naming_outages():
            renewed = await self._renew(
                keys=[marker_key(self._prefix), counts_key(self._prefix, self._generation)],
                args=[
                    self._generation,
                    WHOLE_FOR // MILLISECOND,
                    days_key(self._prefix, self._generation, ""),
                    self._change_count,
                ],
            )
        return bool(renewed)


def _by_organisation(
    opened: Sequence[OpenDay], closed: Sequence[AttendanceDayChanged]
) -> Mapping[str, _News]:
    news: dict[str, _News] = defaultdict(_News)
    for day in opened:
        key = day_field(day.person_id, day.attendance_on, day.shift_id)
        news[day.org_id].opened[key] = day_value(day)
    for change in closed:
        key = day_field(change.person_id, change.attendance_on, change.shift_id)
        news[change.org_id].closed.append(key)
    return news


@contextmanager
def _naming_outages() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TransientFailure("valkey", repr(error)) from error


@asynccontextmanager
async def open_presence_board(
    url: str, prefix: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ValkeyPresenceBoard]:
    """Make a client; it connects when it is needed."""
    client = valkey_client(url, tls, call_seconds=CALL_SECONDS)
    try:
        yield ValkeyPresenceBoard(client, prefix)
    finally:
        await client.aclose()

"""Presence in Valkey, laid out as `attendance_schemas.presence` says; needs fields that expire (Valkey 9)."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from importlib.resources import files
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import CACHED_FOR, OpenDay, day_field, day_value, days_key, marker_key
from service_kit.errors import TransientFailure
from service_kit.state.valkey import valkey_client

CALL_SECONDS = 5.0
DAYS_AT_ONCE = 1000
# Without a keeper, presence is told for this long and then no more.
WHOLE_FOR = timedelta(seconds=15)
RENEW = files("attendance_projector.feed.adapters").joinpath("renew_presence.lua").read_text(encoding="utf-8")
MILLISECOND = timedelta(milliseconds=1)


class ValkeyPresenceBoard:
    """A PresenceBoard over Valkey; use `open_presence_board`. `prefix` keeps installations apart."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._renew = client.register_script(RENEW)
        self._generation = ""

    async def fill(self, days: Sequence[OpenDay]) -> None:
        """Begin a generation with these days and call it whole."""
        self._generation = uuid4().hex
        for start in range(0, len(days), DAYS_AT_ONCE):
            await self.put(days[start : start + DAYS_AT_ONCE], [])
        with _naming_outages():
            await self._client.set(marker_key(self._prefix), self._generation, px=WHOLE_FOR)

    async def put(self, opened: Sequence[OpenDay], closed: Sequence[AttendanceDayChanged]) -> None:
        """Add or replace open days of this generation, and take others away."""
        with _naming_outages():
            async with self._client.pipeline(transaction=False) as pipeline:
                for day in opened:
                    self._add(pipeline, day)
                for org_id, fields in _fields_by_org(closed).items():
                    pipeline.hdel(days_key(self._prefix, self._generation, org_id), *fields)
                await pipeline.execute()

    def _add(self, pipeline: Pipeline, day: OpenDay) -> None:
        key = days_key(self._prefix, self._generation, day.org_id)
        field = day_field(day.person_id, day.attendance_on, day.shift_id)
        pipeline.hset(key, field, day_value(day))
        # The server forgets it then, as a generation that nobody keeps.
        pipeline.hpexpireat(key, day.open_since + CACHED_FOR, field)

    async def renew(self) -> bool:
        """Call this generation whole for some more seconds; False when the cache has lost it."""
        with _naming_outages():
            renewed = await self._renew(
                keys=[marker_key(self._prefix)], args=[self._generation, WHOLE_FOR // MILLISECOND]
            )
        return bool(renewed)


def _fields_by_org(changes: Sequence[AttendanceDayChanged]) -> Mapping[str, Sequence[str]]:
    """Return the fields of days: most of a backlog closed long ago, and one command takes them all away."""
    fields: dict[str, list[str]] = defaultdict(list)
    for change in changes:
        fields[change.org_id].append(day_field(change.person_id, change.attendance_on, change.shift_id))
    return fields


@contextmanager
def _naming_outages() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TransientFailure("valkey", repr(error)) from error


@asynccontextmanager
async def open_presence_board(url: str, prefix: str) -> AsyncIterator[ValkeyPresenceBoard]:
    """Make a client; it connects when it is needed."""
    client = valkey_client(url, call_seconds=CALL_SECONDS)
    try:
        yield ValkeyPresenceBoard(client, prefix)
    finally:
        await client.aclose()

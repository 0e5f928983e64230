"""Presence in the cache follows the read model: whole or not at all, through every loss of either."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from attendance_projector.feed.adapters.kafka_change_tail import open_change_tail
from attendance_projector.feed.adapters.postgres_presence_source import open_presence_source
from attendance_projector.feed.adapters.valkey_presence_board import open_presence_board
from attendance_projector.feed.keep_presence import keep_presence
from attendance_projector.feed.metrics import PresenceMetrics
from attendance_projector.rebuild.adapters.postgres_schemas import open_schemas
from attendance_projector.rebuild.adapters.postgres_switch import PostgresSwitch
from attendance_schemas.codec import Codec
from attendance_schemas.presence import OpenDay
from attendance_testing.polling import DEADLINE, eventually
from attendance_testing.projector.change_feeds import PEOPLE, Feed, open_feed
from local_stack.environment import StackEnv
from query_api.adapters.valkey_presence_cache import ValkeyPresenceCache, open_presence_cache
from query_api.metrics import QueryApiMetrics

pytestmark = pytest.mark.integration


class Kept:
    """A feed, a cache, and how query-api sees it."""

    def __init__(self, feed: Feed, cache: ValkeyPresenceCache, valkey: Redis, url: str) -> None:
        self.feed = feed
        self.plant = feed.plant
        self.valkey = valkey
        self._cache = cache
        self._url = url
        self.metrics: list[PresenceMetrics] = []

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        stopping, metrics = asyncio.Event(), PresenceMetrics(CollectorRegistry())
        self.metrics.append(metrics)
        async with open_presence_board(self._url, self.feed.kafka.topic_prefix) as board:
            task = asyncio.create_task(
                keep_presence(
                    lambda: open_presence_source(self.plant.feed_url),
                    lambda: open_change_tail(self.feed.kafka, Codec(self.feed.schemas)),
                    board,
                    metrics,
                    stopping,
                    now=lambda: datetime.now(UTC),
                )
            )
            try:
                yield
            finally:
                stopping.set()
                await asyncio.wait({task}, timeout=DEADLINE)
            await task

    async def open_days(self) -> list[OpenDay] | None:
        found = await self._cache.open_days("org")
        return None if found is None else sorted(found, key=lambda day: day.person_id)

    async def becomes(self, is_right: Callable[[list[OpenDay] | None], bool]) -> None:
        async def is_there() -> bool:
            return is_right(await self.open_days())

        await eventually(is_there)

    async def stored(self) -> list[OpenDay]:
        rows = await self.plant.sql.fetch(
            "SELECT org_id, site_id, person_id, attendance_on, shift_id, open_since FROM attendance_day"
            " WHERE open_since IS NOT NULL ORDER BY person_id"
        )
        return [OpenDay(*row) for row in rows]

    async def equals_the_tables(self, people: set[str]) -> None:
        stored = await self.stored()
        assert {day.person_id for day in stored} == people
        await self.becomes(lambda found: found == stored)

    async def forget(self) -> None:
        """Empty the cache of this installation."""
        async for key in self.valkey.scan_iter(f"{self.feed.kafka.topic_prefix}*"):
            await self.valkey.delete(key)

    async def keys(self) -> tuple[str, str]:
        """Return the keys of the days of the organisation, and of the counts."""
        prefix = f"{self.feed.kafka.topic_prefix}presence"
        generation = (await self.valkey.get(f"{prefix}:complete")).decode()
        return f"{prefix}:{generation}:org", f"{prefix}:{generation}"

    async def state(self) -> dict[bytes, tuple[bytes, int]]:
        """Return what a replica has now: each key with its value and its milliseconds."""
        keys = [key async for key in self.valkey.scan_iter(f"{self.feed.kafka.topic_prefix}*")]
        return {key: (await self.valkey.dump(key), await self.valkey.pttl(key)) for key in keys}

    async def go_back(self, state: dict[bytes, tuple[bytes, int]]) -> None:
        """Let the cache be as a replica was that did not get the last changes."""
        for key, (value, milliseconds) in state.items():
            await self.valkey.restore(key, max(milliseconds, 0), value, replace=True)

    def fills(self) -> int:
        return int(sum(each.fills._value.get() for each in self.metrics))


@pytest_asyncio.fixture
async def kept(stack: StackEnv, plant: Any, topic_prefix: str) -> AsyncIterator[Kept]:
    async with AsyncExitStack() as opened:
        feed = await opened.enter_async_context(open_feed(stack, plant, topic_prefix))
        await opened.enter_async_context(feed.relaying())
        metrics = QueryApiMetrics(CollectorRegistry())
        cache = await opened.enter_async_context(open_presence_cache(stack.valkey_url, topic_prefix, metrics))
        valkey = Redis.from_url(stack.valkey_url)
        opened.push_async_callback(valkey.aclose)
        made = Kept(feed, cache, valkey, stack.valkey_url)
        # Whatever the hour of this test: nobody has a shift, and a day began 20 hours ago.
        await plant.tell(*(plant.person(name, shift=None) for name in PEOPLE))
        began_at = datetime.now(ZoneInfo("Asia/Kolkata")) - timedelta(hours=20)
        await plant.tell(plant.policy(flexible_day_start=began_at.time()))
        yield made
        await made.forget()


def minutes_ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


async def test_who_comes_and_goes_is_followed(kept: Kept) -> None:
    plant = kept.plant
    await plant.tell(plant.match("p-1", minutes_ago(60)), plant.match("p-2", minutes_ago(17.5 * 60)))
    async with kept.keeping():
        await kept.becomes(lambda found: found is not None and [day.person_id for day in found] == ["p-1"])
        # Comes, goes, comes by a correction that is taken back.
        await plant.tell(plant.match("p-3", minutes_ago(50)), plant.match("p-4", minutes_ago(50)))
        added = plant.addition("p-5", minutes_ago(40))
        await plant.tell(plant.match("p-1", minutes_ago(30)), added)
        await kept.becomes(lambda found: [day.person_id for day in found or []] == ["p-3", "p-4", "p-5"])
        # Days that are gone: of a correction, and of a person who is erased from the directory.
        await plant.tell(plant.void("p-5", added.correction_id), plant.tombstone(plant.person("p-4")))
        await kept.becomes(lambda found: [day.person_id for day in found or []] == ["p-3"])
        assert kept.fills() == 1
        (day,) = await kept.open_days() or []
        assert [day] == [each for each in await kept.stored() if each.person_id == "p-3"]


async def test_a_cache_that_was_emptied_is_filled_again(kept: Kept) -> None:
    await kept.plant.tell(kept.plant.match("p-1", minutes_ago(60)))
    async with kept.keeping():
        await kept.equals_the_tables({"p-1"})
        await kept.forget()
        # A part of it is there again before the whole: it is not told.
        await kept.plant.tell(kept.plant.match("p-2", minutes_ago(5)))
        assert await kept.open_days() in (None, await kept.stored())
        await kept.equals_the_tables({"p-1", "p-2"})
        assert kept.fills() == 2


def _half(fields: Sequence[Any]) -> Sequence[Any]:
    return fields[: len(fields) // 2]


@pytest.mark.parametrize("lost", ["days", "half the days", "counts", "days and counts", "one count"])
async def test_a_cache_that_lost_a_part_tells_nothing_until_it_is_whole(kept: Kept, lost: str) -> None:
    """Nobody keeps it meanwhile: whoever asks finds out without help."""
    people = {"p-1", "p-2", "p-3", "p-4"}
    await kept.plant.tell(*(kept.plant.match(each, minutes_ago(60)) for each in sorted(people)))
    async with kept.keeping():
        await kept.equals_the_tables(people)
    days, counts = await kept.keys()
    match lost:
        case "days":
            await kept.valkey.delete(days)
        case "half the days":
            await kept.valkey.hdel(days, *_half(await kept.valkey.hkeys(days)))
        case "counts":
            await kept.valkey.delete(counts)
        case "days and counts":
            await kept.valkey.delete(days, counts)
        case "one count":
            await kept.valkey.hdel(counts, "org")
    assert await kept.open_days() is None


@pytest.mark.parametrize("lost", ["days", "half the days"])
async def test_a_cache_that_lost_a_part_is_filled_again(kept: Kept, lost: str) -> None:
    people = {"p-1", "p-2", "p-3"}
    await kept.plant.tell(*(kept.plant.match(each, minutes_ago(60)) for each in sorted(people)))
    async with kept.keeping():
        await kept.equals_the_tables(people)
        days, _ = await kept.keys()
        if lost == "days":
            await kept.valkey.delete(days)
        else:
            await kept.valkey.hdel(days, *_half(await kept.valkey.hkeys(days)))
        # News of others do not hide the loss.
        await kept.plant.tell(kept.plant.match("p-4", minutes_ago(5)))
        assert await kept.open_days() in (None, await kept.stored())
        await kept.equals_the_tables({*people, "p-4"})
        assert kept.fills() == 2


async def test_a_cache_that_went_back_to_an_earlier_state_is_filled_again(kept: Kept) -> None:
    """As when a replica takes over that lagged: days and their counts agree, and lack the last changes."""
    await kept.plant.tell(kept.plant.match("p-1", minutes_ago(60)))
    async with kept.keeping():
        await kept.equals_the_tables({"p-1"})
        state = await kept.state()
        await kept.plant.tell(kept.plant.match("p-2", minutes_ago(50)))
        await kept.equals_the_tables({"p-1", "p-2"})
        await kept.go_back(state)
        await kept.equals_the_tables({"p-1", "p-2"})
        assert kept.fills() == 2


async def test_one_projector_keeps_presence_and_another_takes_over(kept: Kept) -> None:
    await kept.plant.tell(kept.plant.match("p-1", minutes_ago(60)))
    async with kept.keeping(), kept.keeping():
        await kept.equals_the_tables({"p-1"})
        assert sorted(each.keeping._value.get() for each in kept.metrics) == [0, 1]
        await kept.plant.as_administrator(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
            " AND application_name = 'attendance-projector presence'"
        )
        await kept.plant.tell(kept.plant.match("p-2", minutes_ago(5)))
        await kept.equals_the_tables({"p-1", "p-2"})

        async def is_filled_again() -> bool:
            return kept.fills() == 2

        await eventually(is_filled_again)


async def test_other_tables_in_place_of_these_are_read_again(kept: Kept) -> None:
    await kept.plant.tell(kept.plant.match("p-1", minutes_ago(60)))

    async def nothing_to_do() -> None:
        """Both stand where they should."""

    async with kept.keeping():
        await kept.equals_the_tables({"p-1"})
        async with open_schemas(kept.plant.url) as schemas:
            await schemas.create()
            await kept.plant.sql.execute(
                "INSERT INTO attendance_next.consumed_position SELECT * FROM attendance.consumed_position"
            )
            await PostgresSwitch(schemas).put_in_place(nothing_to_do)  # to empty tables
        await kept.becomes(lambda found: found == [])


async def test_without_a_keeper_presence_ends_by_itself(kept: Kept) -> None:
    await kept.plant.tell(kept.plant.match("p-1", minutes_ago(60)))
    async with kept.keeping():
        await kept.equals_the_tables({"p-1"})
    prefix = kept.feed.kafka.topic_prefix
    assert 0 < await kept.valkey.pttl(f"{prefix}presence:complete") <= 15_000
    keys = [key async for key in kept.valkey.scan_iter(f"{prefix}presence:*:org")]
    assert len(keys) == 1
    for key in await kept.keys():
        assert 1.9 * 3_600_000 < await kept.valkey.pttl(key) <= 2 * 3_600_000

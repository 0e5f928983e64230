"""The outbox reaches Kafka: in order for each person, the same ids again after a crash, and nothing lost."""

import asyncio
import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from attendance_projector.feed.adapters.postgres_outbox_queue import open_outbox_queue
from attendance_projector.feed.ports import OutboxRow
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.presence import marker_key
from attendance_testing.polling import DEADLINE, eventually
from attendance_testing.projector.change_feeds import PEOPLE, Feed, open_feed
from local_stack.environment import StackEnv
from local_stack.running.stack import Stack

pytestmark = pytest.mark.integration


class Killed(Exception):
    """The end of a relay, between two of its steps."""


@pytest_asyncio.fixture
async def feed(stack: StackEnv, plant: Any, topic_prefix: str) -> AsyncIterator[Feed]:
    async with open_feed(stack, plant, topic_prefix) as made:
        yield made


def by_person(events: Sequence[AttendanceDayChanged]) -> dict[str, list[AttendanceDayChanged]]:
    found = defaultdict(list)
    for event in events:
        found[event.person_id].append(event)
    return found


def assert_whole(events: Sequence[AttendanceDayChanged], changes: int) -> None:
    """Every change of everybody is there, each follows on the one before, in order."""
    for person, told in by_person(events).items():
        first = list({event.event_id: event for event in told}.values())
        assert len(first) == changes, person
        assert [event.revision for event in first] == sorted(event.revision for event in first)
        for before, after in zip([None, *first], first, strict=False):
            assert after.previous == (before and before.day)
    assert set(by_person(events)) == set(PEOPLE)


async def test_changes_come_in_order_and_leave_the_outbox(feed: Feed) -> None:
    await feed.change(10)
    async with feed.relaying():
        await feed.change(10, first=10)  # told while others are published
        await eventually(feed.is_empty)
        events = await feed.published(20 * len(PEOPLE))
    assert_whole(events, 20)
    assert len({event.event_id for event in events}) == len(events)
    assert feed.metrics[0].published._value.get() == len(events)


async def test_news_does_not_wait_for_a_look(feed: Feed) -> None:
    async with feed.relaying():
        await feed.change(1)
        await feed.published(len(PEOPLE))
        started = asyncio.get_running_loop().time()
        await feed.change(1, first=1)
        await eventually(feed.is_empty)
        assert asyncio.get_running_loop().time() - started < 2.0  # it looks every 5 s


async def test_a_relay_killed_before_it_removes_repeats_the_same_events(feed: Feed) -> None:
    await feed.change(5)

    @asynccontextmanager
    async def dies_before_removing() -> AsyncIterator[Any]:
        class Dying:
            def __init__(self, queue: Any) -> None:
                self._queue = queue

            def __getattr__(self, name: str) -> Any:
                return getattr(self._queue, name)

            async def remove(self, _rows: Sequence[OutboxRow]) -> None:
                raise Killed

        async with open_outbox_queue(feed.plant.feed_url) as queue:
            yield Dying(queue)

    async with feed.relaying(dies_before_removing) as dying:
        with pytest.raises(Killed):
            await dying
    assert await feed.outbox() == 5 * len(PEOPLE)
    async with feed.relaying():
        await feed.change(2, first=5)
        events = await feed.published(7 * len(PEOPLE))
    assert_whole(events, 7)
    for told in by_person(events).values():
        assert [event.event_id for event in told[:5]] == [event.event_id for event in told[5:10]]


async def test_of_two_relays_one_publishes_and_the_other_takes_over(feed: Feed) -> None:
    async with AsyncExitStack() as relays:
        for _ in range(2):
            await relays.enter_async_context(feed.relaying())
        await feed.change(4)
        await feed.published(4 * len(PEOPLE))
        assert sorted(each.relaying._value.get() for each in feed.metrics) == [0, 1]
        # The connection of whoever leads ends, as when its process is killed.
        ended = await feed.plant.as_administrator(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND application_name = 'attendance-projector relay'"
            " AND datname = current_database()"
        )
        assert ended == 1
        started = datetime.now(UTC)
        await feed.change(4, first=4)
        events = await feed.published(8 * len(PEOPLE))
        assert datetime.now(UTC) - started < timedelta(seconds=5)
    assert_whole(events, 8)


async def test_a_projector_killed_while_it_publishes_is_followed_by_another(
    feed: Feed, stack: StackEnv
) -> None:
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": feed.kafka.topic_prefix,
        "DATABASE_URL": feed.plant.writer_url,
        "ATTENDANCE_PROJECTOR_PORT": "0",
    }

    async def projector() -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "attendance_projector", "run")
        return await asyncio.create_subprocess_exec(*command, env=environ)

    processes = [await projector()]
    try:
        await feed.change(1)
        await feed.published(len(PEOPLE))  # so the first one leads
        processes.append(await projector())
        changing = asyncio.create_task(feed.change(19, first=1))
        await feed.published(5 * len(PEOPLE))
        processes[0].kill()
        await changing
        await eventually(feed.is_empty)
        events = await feed.published(20 * len(PEOPLE))
        async with Redis.from_url(stack.valkey_url) as valkey:

            async def is_kept() -> bool:
                return bool(await valkey.exists(marker_key(feed.kafka.topic_prefix)))

            await eventually(is_kept)
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert_whole(events, 20)


async def test_what_can_never_be_published_stays_and_holds_up_nobody(feed: Feed) -> None:
    await feed.change(1)
    await feed.plant.sql.execute("UPDATE outbox SET payload = '{}' WHERE key = 'org:p-0'")
    await feed.plant.sql.execute("UPDATE outbox SET topic = 'none' WHERE key = 'org:p-1'")
    async with feed.relaying():
        events = await feed.published(len(PEOPLE) - 2)
    assert {event.person_id for event in events} == set(PEOPLE[2:])
    rows = await feed.plant.sql.fetch("SELECT key, refused FROM outbox ORDER BY key")
    assert [(row["key"], row["refused"].split(":")[0]) for row in rows] == [
        ("org:p-0", "unfit-for-schema"),
        ("org:p-1", "no-such-topic"),
    ]
    assert feed.metrics[0].refused._value.get() == 2


async def test_the_consumer_of_the_documentation_runs(feed: Feed, stack: StackEnv) -> None:
    example = Path(__file__).parents[3] / "docs" / "attendance" / "follow_changes.py"
    environ = {**os.environ, **stack.environ(), "KAFKA_TOPIC_PREFIX": feed.kafka.topic_prefix}
    await feed.change(2)
    async with feed.relaying():
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(example), env=environ, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE):
                lines = [(await process.stdout.readline()).decode() for _ in range(2 * len(PEOPLE))]
        finally:
            process.kill()
            await process.wait()
    assert sorted(lines)[:1] == ["CREATED p-0 2026-03-02 day: INCOMPLETE, 0 minutes\n"]
    assert sorted(lines)[-1:] == ["UPDATED p-5 2026-03-02 day: PRESENT, 3 minutes\n"]


@pytest.mark.chaos
async def test_kafka_away_delays_what_is_told_and_not_what_is_stored(
    feed: Feed, stack_control: Stack
) -> None:
    async with feed.relaying():
        await feed.change(1)
        await feed.published(len(PEOPLE))
        await asyncio.to_thread(lambda: stack_control.stop_service("kafka", kill=True))
        try:
            await feed.change(3, first=1)
            assert await feed.outbox() == 3 * len(PEOPLE)
        finally:
            await asyncio.to_thread(stack_control.start_service, "kafka")
        await eventually(feed.is_empty)
        events = await feed.published(4 * len(PEOPLE))
    assert_whole(events, 4)

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from attendance_projector.projection.adapters.postgres_read_model import PostgresTransaction, open_read_model
from attendance_projector.projection.ports import Transaction
from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"


class EndsBeforeCommit:
    """A read model whose transactions do all their work, and then something happens."""

    def __init__(self, read_model: Any, happens: Callable[[PostgresTransaction], Awaitable[None]]) -> None:
        self._read_model = read_model
        self._happens = happens
        self.ensure_months = read_model.ensure_months

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        async def all_but_the_commit(transaction: PostgresTransaction) -> Any:
            result = await work(transaction)
            await self._happens(transaction)
            return result

        return await self._read_model.in_transaction(all_but_the_commit)


async def test_a_killed_transaction_leaves_the_position(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN))
    before = await plant.tables()

    async def kill(transaction: PostgresTransaction) -> None:
        backend = await transaction.positions._connection.fetchval("SELECT pg_backend_pid()")
        await plant.as_administrator("SELECT pg_terminate_backend($1)", backend)
        await transaction.positions._connection.fetchval("SELECT 1")

    records = [plant.record(plant.match("asha", OUT))]
    with pytest.raises(TransientFailure) as failure:
        await plant.projector_on(EndsBeforeCommit(plant.read_model, kill)).apply(records)
    assert failure.value.dependency == "postgresql"
    assert await plant.tables() == before
    # Delivered again, after the crash:
    await plant.projector.apply(records)
    assert await plant.next_offset() == 2
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


async def test_redelivery_after_a_crash_between_commit_and_kafka(plant: Any) -> None:
    records = [plant.record(plant.match("asha", at)) for at in (IN, OUT)]
    await plant.projector.apply(records[:1])
    once = await plant.tables("capture")
    async with open_read_model(plant.writer_url) as after_restart:
        partition = TopicPartition(records[0].topic, 0)
        assert await after_restart.positions([partition, TopicPartition("other", 0)]) == {partition: 1}
        await plant.projector_on(after_restart).apply(records)
    assert once["capture"][0] in (await plant.tables("capture"))["capture"]
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]
    assert await plant.sql.fetchval("SELECT count(*) FROM capture") == 2


async def test_two_projectors_apply_the_same_records_once(plant: Any) -> None:
    records = [plant.record(plant.match("asha", at)) for at in (IN, OUT)]
    async with open_read_model(plant.writer_url) as other:
        second = plant.projector_on(other)
        await asyncio.gather(*(each.apply(records) for each in (plant.projector, second) * 3))
    assert await plant.sql.fetchval("SELECT count(*) FROM punch") == 2
    assert await plant.next_offset() == 2


async def test_two_projectors_with_punches_of_one_person_lose_none(plant: Any) -> None:
    """Records are keyed by capture: one day's punches come from several partitions, at the same time."""
    days = [f"2026-03-{number:02}" for number in range(1, 29)]
    ins = [plant.record(plant.match("asha", f"{day}T08:00+05:30"), partition=0) for day in days]
    outs = [plant.record(plant.match("asha", f"{day}T12:00+05:30"), partition=1) for day in days]

    async def feed(projector: Any, records: list[Any]) -> None:
        for record in records:
            await projector.apply([record])

    async with open_read_model(plant.writer_url) as other:
        await asyncio.gather(feed(plant.projector, ins), feed(plant.projector_on(other), outs))
    assert await plant.days("asha") == [(day, "day", "PRESENT", 240) for day in days]


@pytest.mark.parametrize("is_first_event_a_directory_change", [True, False])
async def test_a_shift_and_a_punch_at_the_same_time_agree(
    plant: Any, is_first_event_a_directory_change: bool
) -> None:
    """Neither sees what the other has not committed yet, so the second has to wait for the first."""
    shift, punch = plant.shift("day", 8, 12, late_grace_minutes=0), plant.match("asha", f"{DAY}T09:00+05:30")
    first, second = (shift, punch) if is_first_event_a_directory_change else (punch, shift)
    is_done, may_commit = asyncio.Event(), asyncio.Event()

    async def hold(transaction: PostgresTransaction) -> None:
        is_done.set()
        await may_commit.wait()

    holding = plant.projector_on(EndsBeforeCommit(plant.read_model, hold))
    async with asyncio.timeout(30), open_read_model(plant.writer_url) as other:
        slow = asyncio.create_task(holding.apply([plant.record(first)]))
        await is_done.wait()
        fast = asyncio.create_task(plant.projector_on(other).apply([plant.record(second)]))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while True:
            if fast.done() or await plant.sql.fetchval(waiting):
                break
            await asyncio.sleep(0.01)
        may_commit.set()
        await asyncio.gather(slow, fast)
    (day,) = (await plant.tables("attendance_day"))["attendance_day"]
    assert (day["late"], day["late_minutes"]) == (True, 60)


async def test_a_conflict_is_tried_again(plant: Any) -> None:
    tries = []

    async def conflict_once(transaction: PostgresTransaction) -> None:
        tries.append(1)
        if len(tries) == 1:
            await transaction.positions._connection.execute(
                "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$"
            )

    await plant.projector_on(EndsBeforeCommit(plant.read_model, conflict_once)).apply(
        [plant.record(plant.match("asha", IN))]
    )
    assert len(tries) == 2
    assert await plant.places("asha") == [("DAY", DAY)]


async def test_endless_conflicts_wait_like_an_outage(plant: Any) -> None:
    async def conflict(transaction: PostgresTransaction) -> None:
        raise asyncpg.SerializationError("in the way")

    with pytest.raises(TransientFailure, match="in conflict 5 times"):
        await plant.projector_on(EndsBeforeCommit(plant.read_model, conflict)).apply(
            [plant.record(plant.match("asha", IN))]
        )
    assert await plant.places("asha") == []


async def test_a_database_that_is_away_is_a_transient_failure(plant: Any) -> None:
    address = plant.url.rpartition("@")[0]
    with pytest.raises(TransientFailure, match="postgresql"):
        async with open_read_model(f"{address}@127.0.0.1:9/nothing"):
            pass

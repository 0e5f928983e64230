import asyncio
from datetime import UTC, datetime

from recognition_worker.adapters.fair_queue import FairQueue, FairSlots
from recognition_worker.domain.fair_turns import Kind, Work

LIVE, BACKLOG = (Work(kind, datetime.now(UTC)) for kind in (Kind.LIVE, Kind.BACKLOG))


def test_within_a_kind_what_came_first_goes_first() -> None:
    queue = FairQueue[int]()
    for number in range(5):
        queue.put(BACKLOG, number)
    queue.put(LIVE, 5)
    assert [queue.pop() for _ in range(6)] == [5, 0, 1, 2, 3, 4]
    assert queue.pop() is None
    assert not queue


def test_a_kind_that_is_not_asked_for_stays() -> None:
    queue = FairQueue[int]()
    queue.put(BACKLOG, 1)
    assert queue.pop(among=(Kind.LIVE,)) is None
    assert queue
    assert queue.pop() == 1


async def test_a_slot_goes_to_the_live_work_that_came_last() -> None:
    slots, began = FairSlots(1), list[str]()
    gate = asyncio.Event()

    async def work(name: str, what: Work) -> None:
        async with slots.slot(what):
            began.append(name)
            await gate.wait()

    tasks = [asyncio.create_task(work(f"old {number}", BACKLOG)) for number in range(3)]
    tasks.append(asyncio.create_task(work("live", LIVE)))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert began == ["old 0", "live", "old 1", "old 2"]


async def test_who_gives_up_waiting_costs_no_slot() -> None:
    slots = FairSlots(1)
    hold, held = asyncio.Event(), asyncio.Event()

    async def work(gate: asyncio.Event) -> None:
        async with slots.slot(LIVE):
            held.set()
            await gate.wait()

    first = asyncio.create_task(work(hold))
    await held.wait()
    at_once = asyncio.Event()
    at_once.set()
    early, late = asyncio.create_task(work(at_once)), asyncio.create_task(work(at_once))
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait({early})
    hold.set()
    await first  # gives the slot to `late`, which is cancelled before it can run
    late.cancel()
    await asyncio.wait({late})
    await asyncio.wait_for(work(at_once), 10)

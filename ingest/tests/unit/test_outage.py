import asyncio

import pytest

from ingest.adapters.outage import Outage
from service_kit.errors import TransientFailure


class Broker:
    def __init__(self) -> None:
        self.calls = 0
        self.is_away = False
        self.may_answer = asyncio.Event()

    async def send(self) -> int:
        self.calls += 1
        await self.may_answer.wait()
        if self.is_away:
            raise TransientFailure("kafka", "no answer")
        return self.calls


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_while_all_is_well_calls_run_together():
    outage, broker = Outage("kafka"), Broker()
    calls = [asyncio.create_task(outage.attempt(broker.send)) for _ in range(5)]
    await settle()
    assert broker.calls == 5
    broker.may_answer.set()
    await asyncio.gather(*calls)


async def test_in_an_outage_one_call_at_a_time_tries():
    outage, broker = Outage("kafka"), Broker()
    broker.is_away = True
    broker.may_answer.set()
    with pytest.raises(TransientFailure):
        await outage.attempt(broker.send)

    broker.may_answer.clear()
    trying = asyncio.create_task(outage.attempt(broker.send))
    await settle()
    for _ in range(20):
        with pytest.raises(TransientFailure, match="known to be away"):
            await outage.attempt(broker.send)
    assert broker.calls == 2

    broker.is_away = False
    broker.may_answer.set()
    assert await trying == 2
    assert await asyncio.gather(*(outage.attempt(broker.send) for _ in range(3))) == [3, 4, 5]


async def test_a_failed_try_lets_the_next_one_try():
    outage, broker = Outage("kafka"), Broker()
    broker.is_away = True
    broker.may_answer.set()
    for _ in range(3):
        with pytest.raises(TransientFailure, match="no answer"):
            await outage.attempt(broker.send)
    assert broker.calls == 3


async def test_a_cancelled_try_lets_the_next_one_try():
    outage, broker = Outage("kafka"), Broker()
    broker.is_away = True
    broker.may_answer.set()
    with pytest.raises(TransientFailure):
        await outage.attempt(broker.send)
    broker.may_answer.clear()
    trying = asyncio.create_task(outage.attempt(broker.send))
    await settle()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    broker.is_away = False
    broker.may_answer.set()
    assert await outage.attempt(broker.send) == 3

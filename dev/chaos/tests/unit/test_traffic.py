import asyncio
import random
from datetime import date
from typing import Any

import pytest

from chaos.plant import Calendar
from chaos.traffic import Traffic


def a_traffic() -> Traffic:
    nothing: Any = None
    calendar = Calendar(random.Random(1), date(2026, 11, 22))
    return Traffic(nothing, nothing, nothing, [], nothing, calendar, random.Random(1))


async def test_it_flows_once_so_many_more_are_answered():
    traffic = a_traffic()
    traffic.answers = 5
    waiting = asyncio.create_task(traffic.flows(2, 5.0))
    await asyncio.sleep(0)
    traffic.answers = 7
    await waiting
    with pytest.raises(TimeoutError):
        await traffic.flows(1, 0.0)


def test_no_instant_of_a_person_is_dealt_twice():
    calendar = a_traffic().calendar
    slots = [calendar.slot("anna") for _ in range(500)]
    assert len({slot.at for slot in slots}) == 500
    assert all(2 <= (date(2026, 11, 22) - slot.on).days <= 28 for slot in slots)

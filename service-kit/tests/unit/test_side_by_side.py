import asyncio

import pytest

from service_kit.side_by_side import side_by_side


async def test_results_come_in_order_and_no_more_at_once_than_allowed() -> None:
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        for _ in range(10 - number):
            await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert await side_by_side(work, range(10), at_once=3) == [number * 2 for number in range(10)]
    assert most == 3
    assert await side_by_side(work, [], at_once=3) == []


async def test_the_first_error_ends_the_others_and_is_raised_as_it_is() -> None:
    begun: list[int] = []
    ended = asyncio.Event()

    async def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise LookupError(number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LookupError, match="1"):
        await side_by_side(work, range(9), at_once=2)
    assert begun in ([0, 1], [0, 1, 2])  # whose turn came as the first one failed is ended, too
    assert ended.is_set()

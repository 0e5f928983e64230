import asyncio
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.backoff import Backoff, retry, wait
from service_kit.errors import DeliveryStopped, TransientFailure

NO_WAIT = timedelta(microseconds=1)


@given(
    initial=st.floats(0.001, 10),
    factor=st.floats(1, 1000),
    draws=st.integers(1, 60),
    seed=st.integers(),
)
def test_delays_stay_between_zero_and_a_doubling_ceiling(
    initial: float, factor: float, draws: int, seed: int
) -> None:
    first, last = timedelta(seconds=initial), timedelta(seconds=initial * factor)
    backoff = Backoff(first, last, random.Random(seed))
    for draw in range(draws):
        ceiling = min(first * 2 ** min(draw, 20), last)
        assert timedelta(0) <= backoff.next_delay() <= ceiling
    backoff.reset()
    assert backoff.ceiling == first


def test_nonsense_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="initial"):
        Backoff(initial=timedelta(seconds=2), maximum=timedelta(seconds=1))


async def test_retry_gives_the_first_result() -> None:
    failures = [TransientFailure("kafka"), TransientFailure("kafka")]
    noted: list[Exception] = []

    async def operation() -> str:
        if failures:
            raise failures.pop()
        return "done"

    result = await retry(
        operation,
        backoff=Backoff(NO_WAIT, NO_WAIT),
        retry_on=TransientFailure,
        stopping=asyncio.Event(),
        on_retry=lambda error, _delay: noted.append(error),
    )
    assert result == "done"
    assert len(noted) == 2


async def test_retry_ends_when_the_service_stops_and_passes_bugs_on() -> None:
    stopping = asyncio.Event()
    stopping.set()

    async def away() -> None:
        raise TransientFailure("kafka", "away")

    async def buggy() -> None:
        raise ZeroDivisionError

    with pytest.raises(DeliveryStopped, match="away"):
        await retry(away, backoff=Backoff(), retry_on=TransientFailure, stopping=stopping)
    with pytest.raises(ZeroDivisionError):
        await retry(buggy, backoff=Backoff(), retry_on=TransientFailure, stopping=stopping)


async def test_wait_is_cut_short_by_stopping() -> None:
    stopping = asyncio.Event()
    assert not await wait(NO_WAIT, stopping)
    stopping.set()
    assert await wait(timedelta(hours=1), stopping)

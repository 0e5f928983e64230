import asyncio

import pytest

from service_kit.errors import TransientFailure
from service_kit.views.repairs import AFTER_SECONDS, DOUBLINGS, Repairs

SHORTEST, LONGEST = AFTER_SECONDS


class Broken:
    """Needs so many repairs, each as soon as the one before is done; fails transiently at first."""

    def __init__(self, needed: int, failures: int = 0) -> None:
        self.waits: list[float] = []
        self._needed = needed
        self._failures = failures
        self.repairs = Repairs("things", self._repair, sleep=self._sleep)
        self.mended = asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def _repair(self) -> None:
        if self._failures:
            self._failures -= 1
            raise TransientFailure("kafka", "is away")
        self._needed -= 1
        if self._needed:
            self.repairs.ask()
        else:
            self.mended.set()

    async def run(self) -> None:
        running = asyncio.create_task(self.repairs.run())
        self.repairs.ask()
        await self.mended.wait()
        running.cancel()


async def test_repairs_that_help_nothing_become_rare() -> None:
    broken = Broken(needed=DOUBLINGS + 3)
    await broken.run()
    doubled = [2 ** min(number, DOUBLINGS) for number in range(DOUBLINGS + 3)]
    for wait, times in zip(broken.waits, doubled, strict=True):
        assert SHORTEST * times <= wait <= LONGEST * times


@pytest.mark.parametrize("failures", [0, 5])
async def test_a_repair_after_an_outage_is_no_later_than_any(failures: int) -> None:
    broken = Broken(needed=1, failures=failures)
    await broken.run()
    assert len(broken.waits) == failures + 1
    assert all(SHORTEST <= wait <= LONGEST for wait in broken.waits)

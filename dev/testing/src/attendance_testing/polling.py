"""Ask again until the answer is there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE = 120.0


async def eventually(question: Callable[[], Awaitable[T]]) -> T:
    """Return the first answer that is true. Raises TimeoutError after the deadline."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if answer := await question():
                return answer
            await asyncio.sleep(0.02)

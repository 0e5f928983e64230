"""What is known of an outage: while a dependency is away one call at a time tries it, others fail at once.

Without this every retry of every device would wait for its timeout, and leave one more record in the
producer, which sends them all when Kafka is back.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service_kit.errors import TransientFailure

T = TypeVar("T")


class Outage:
    """Guards the calls to one dependency, by its name in TransientFailure."""

    def __init__(self, dependency: str) -> None:
        self._dependency = dependency
        self._is_away = False
        self._is_tried = False

    async def attempt(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation unless another one finds out at this moment whether the dependency is back.

        Raises:
            TransientFailure: the dependency is away.
        """
        if not self._is_away:
            return await self._run(operation)
        if self._is_tried:
            raise TransientFailure(self._dependency, "known to be away; another request is trying it")
        self._is_tried = True
        try:
            return await self._run(operation)
        finally:
            self._is_tried = False

    async def _run(self, operation: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await operation()
        except TransientFailure:
            self._is_away = True
            raise
        self._is_away = False
        return result

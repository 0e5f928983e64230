"""How long a worker has been out of its group though Kafka answers: then only a restart helps."""

import time
from collections.abc import Callable
from datetime import timedelta

from service_kit.observing.health import StalledError


class Membership:
    """Told at short intervals how it stands; add `check` as a live check."""

    def __init__(self, limit: timedelta, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit.total_seconds()
        self._clock = clock
        self._well_at = clock()
        self._reason: str | None = None

    def note(self, reason: str | None, *, kafka_answers: bool) -> None:
        """Note why this worker gets no records (None: it does), and whether Kafka answers at all."""
        self._reason = reason
        if reason is None or not kafka_answers:
            self._well_at = self._clock()

    async def check(self) -> None:
        """Raise when this worker has got no records for too long though Kafka answers."""
        silent = self._clock() - self._well_at
        if self._reason is not None and silent > self._limit:
            raise StalledError(f"{self._reason}, for {silent:.0f} s though Kafka answers: restart")

"""Device sequences in Valkey: one sorted set of ranges per device, and a marker that says they are complete.

Valkey is a convenience here. When it is away, or has lost its state, a capture is accepted all the same and
the device is told nothing about its sequence. Without the marker the state is rebuilt from the topics;
numbers that arrive meanwhile are kept, so that the two meet.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from redis.exceptions import RedisError

from ingest.domain.sequence_ranges import DeviceKey, SequenceRanges, count_on_after
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger
from service_kit.state.valkey import valkey_client

log = get_logger(__name__)

# An answer that takes longer is worth less than an early acknowledgement of the capture.
CALL_SECONDS = 0.5
# Not asked again for this long after it did not answer.
REST_SECONDS = 1.0
RANGES_IN_FLIGHT = 500
ADD_SEQUENCES = files("ingest.adapters").joinpath("add_sequences.lua").read_text(encoding="utf-8")


class ValkeyDeviceSequences:
    """A DeviceSequences over Valkey. `prefix` keeps one installation's keys apart."""

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext | None = None,
        *,
        prefix: str = "",
        call_seconds: float = CALL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = valkey_client(url, tls, call_seconds=call_seconds)
        self._call_seconds = call_seconds
        self._add = self._client.register_script(ADD_SEQUENCES)
        self._prefix = f"{prefix}ingest:"
        self._marker = f"{self._prefix}sequences-complete"
        self._monotonic = monotonic
        self._rest_until = 0.0
        self._missed = False
        self.incomplete = asyncio.Event()

    async def record(self, device: DeviceKey, sequence: int) -> int | None:
        """Take a number in; return the highest up to which none is missing, None when not known now."""
        try:
            acknowledged = await self._ask(lambda: self._add_range(device, sequence, sequence))
        except TransientFailure:
            self._missed = True
            acknowledged = None
        if acknowledged is None:
            self.incomplete.set()
        return acknowledged

    async def highest_if_used(self, device: DeviceKey, sequence: int) -> int | None:
        """Return the highest number of a device when this one has arrived; None when not, or not known."""
        try:
            return await self._ask(lambda: self._highest_if_used(device, sequence))
        except TransientFailure:
            return None

    async def begin_rebuild(self) -> bool:
        """Say whether a rebuild is needed, and take the marker away when it is. Raises TransientFailure.

        It is needed when the marker is gone, or when a number was missed here. What is missed from now on
        sets `incomplete` again. Taking the marker away makes every replica and restart know.
        """
        try:
            if not self._missed and await self._client.exists(self._marker):
                self.incomplete.clear()
                return False
            await self._client.delete(self._marker)
        except (RedisError, OSError, TimeoutError) as error:
            raise TransientFailure("valkey", repr(error)) from error
        self._missed = False
        self.incomplete.clear()
        return True

    async def finish_rebuild(self, sequences: Mapping[DeviceKey, SequenceRanges]) -> None:
        """Add what the topics hold, then mark the state as complete. Raises TransientFailure: begin again."""
        additions = [
            (device, first, last) for device, found in sequences.items() for first, last in found.ranges
        ]
        try:
            for start in range(0, len(additions), RANGES_IN_FLIGHT):
                await asyncio.gather(
                    *(self._add_range(*each) for each in additions[start : start + RANGES_IN_FLIGHT])
                )
            await self._client.set(self._marker, "1")
        except (RedisError, OSError, TimeoutError) as error:
            self.incomplete.set()
            raise TransientFailure("valkey", repr(error)) from error

    async def check(self) -> None:
        """Raise TransientFailure unless Valkey answers."""
        try:
            await self._client.exists(self._marker)
        except (RedisError, OSError, TimeoutError) as error:
            raise TransientFailure("valkey", repr(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, call: Callable[[], Awaitable[int | None]]) -> int | None:
        """Call Valkey. Raises TransientFailure when it does not answer, and for a while afterwards."""
        if self._monotonic() < self._rest_until:
            raise TransientFailure("valkey", "it did not answer a moment ago")
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._rest_until = self._monotonic() + REST_SECONDS
            log.warning("devices are not told how far they came", dependency="valkey", error=repr(error))
            raise TransientFailure("valkey", repr(error)) from error

    async def _add_range(self, device: DeviceKey, first: int, last: int) -> int | None:
        async with asyncio.timeout(self._call_seconds):
            answer = await self._add(keys=[self._marker, self._key(device)], args=[first, last])
        return None if answer is None else int(answer)

    async def _highest_if_used(self, device: DeviceKey, sequence: int) -> int | None:
        key = self._key(device)
        async with asyncio.timeout(self._call_seconds), self._client.pipeline() as together:
            together.exists(self._marker)
            together.zrevrangebyscore(key, sequence, "-inf", start=0, num=1)
            together.zrange(key, -2, -1)
            is_complete, below, highest = await together.execute()
        is_used = is_complete and below and int(below[0]) >= sequence
        return count_on_after([int(each) for each in highest]) if is_used else None

    def _key(self, device: DeviceKey) -> str:
        return ":".join((f"{self._prefix}sequences", *device))

"""When to send again: never sooner than `Retry-After` says, then after a random time under a ceiling."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

# What a device keeps and sends again.
TRY_AGAIN = frozenset({408, 429, 503})
# Those who were told the same time do not come back at once.
JITTER_SECONDS = 0.2


def told_seconds(response: httpx.Response) -> float:
    """Return how long the answer says to wait; 0 where it says nothing, or nothing that can be read."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    # A date without a zone is of Greenwich.
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    return max(0.0, left.total_seconds())


def pause_seconds(response: httpx.Response | None, ceiling: float, rng: random.Random) -> float:
    """Return how long to wait: what the answer tells, if there is one, and full jitter."""
    return (told_seconds(response) if response is not None else 0.0) + rng.uniform(0, ceiling)


class Patient(httpx.AsyncBaseTransport):
    """Sends again what a gateway answered with 429, once as much time has passed as it told."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._rng = random.Random()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the first answer that is no 429."""
        while True:
            response = await self._transport.handle_async_request(request)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return response
            await response.aclose()
            await asyncio.sleep(pause_seconds(response, JITTER_SECONDS, self._rng))

    async def aclose(self) -> None:
        """Close its connections."""
        await self._transport.aclose()

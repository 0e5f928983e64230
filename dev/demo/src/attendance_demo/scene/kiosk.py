"""A kiosk: takes captures, keeps them, sends them through the door of ingest until they are accepted.

It follows the device protocol: every capture has a UUIDv7 and a sequence number made at the capture; 408,
429, 503 and a lost connection mean "keep and try again", not before `Retry-After` says so, with exponential
backoff and full jitter; other refusals are final.
"""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import httpx
import uuid_utils

from attendance_demo.errors import DemoError
from attendance_demo.scene.retries import TRY_AGAIN, pause_seconds

FIRST_BACKOFF_SECONDS = 0.2
MAX_BACKOFF_SECONDS = 5.0
# The kiosk has been up for longer than the oldest capture that it keeps.
UPTIME_MS = 10 * 86_400_000


def uptime_ms() -> int:
    """Return the kiosk's milliseconds since its start; never steps, unlike its clock."""
    return UPTIME_MS + time.monotonic_ns() // 10**6


@dataclass(frozen=True, slots=True)
class Shot:
    """A capture as the kiosk keeps it: its clock, and milliseconds since its start, at the shutter."""

    capture_id: UUID
    device_sequence: int
    captured_at: datetime
    image: bytes
    media_type: str
    direction: str | None
    boot_id: str
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The final answer of ingest to a capture."""

    status: int
    body: dict[str, object]
    attempts: int

    @property
    def accepted(self) -> bool:
        """Whether the capture is durable now."""
        return self.status == httpx.codes.ACCEPTED


@dataclass(slots=True)
class Kiosk:
    """One device. `deadline`, in seconds, bounds how long it keeps trying."""

    device_id: str
    token: str
    ingest_url: str
    query_url: str
    client: httpx.AsyncClient
    deadline: float = 120.0
    boot_id: str = "boot-1"
    sequence: int = 0
    rng: random.Random = field(default_factory=random.Random)
    accepted: list[UUID] = field(default_factory=list)

    def take(self, image: bytes, captured_at: datetime, direction: str | None = None) -> Shot:
        """Take a capture at an instant that may lie in the past: the shutter of this demo."""
        self.sequence += 1
        nanoseconds = int(captured_at.timestamp() * 1e9)
        identity = uuid_utils.uuid7(nanoseconds=nanoseconds)
        age_ms = int((datetime.now(UTC) - captured_at).total_seconds() * 1000)
        return Shot(
            capture_id=UUID(str(identity)),
            device_sequence=self.sequence,
            captured_at=captured_at,
            image=image,
            media_type="image/jpeg",
            direction=direction,
            boot_id=self.boot_id,
            monotonic_ms=uptime_ms() - age_ms,
        )

    async def send(self, shot: Shot) -> Answer:
        """Send until ingest gives a final answer. Raises DemoError after the deadline."""
        until = time.monotonic() + self.deadline
        ceiling, attempts = FIRST_BACKOFF_SECONDS, 0
        while True:
            attempts += 1
            response = None
            try:
                response = await self.post(shot)
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if response.status_code not in TRY_AGAIN:
                    return self._final(shot, response, attempts)
                problem = f"{response.status_code} {response.text}"
            if time.monotonic() > until:
                raise DemoError(f"{self.device_id}: {shot.capture_id} was not accepted in time: {problem}")
            await asyncio.sleep(pause_seconds(response, ceiling, self.rng))
            ceiling = min(MAX_BACKOFF_SECONDS, ceiling * 2)

    def _final(self, shot: Shot, response: httpx.Response, attempts: int) -> Answer:
        answer = Answer(response.status_code, response.json(), attempts)
        if answer.accepted and shot.capture_id not in self.accepted:
            self.accepted.append(shot.capture_id)
        return answer

    async def post(self, shot: Shot) -> httpx.Response:
        """Send once and return whatever ingest answers. Raises httpx.TransportError."""
        metadata = {
            "capture_id": str(shot.capture_id),
            "device_sequence": shot.device_sequence,
            "captured_at": shot.captured_at.isoformat(),
            "device_now": datetime.now(UTC).isoformat(),
            "monotonic_ms": shot.monotonic_ms,
            "boot_id": shot.boot_id,
            "monotonic_now_ms": uptime_ms(),
            "boot_id_now": self.boot_id,
            "direction": shot.direction,
        }
        return await self.client.post(
            f"{self.ingest_url}/v1/captures",
            headers={"Authorization": f"Bearer {self.token}"},
            data={"metadata": json.dumps(metadata)},
            files={"image": ("capture.jpg", shot.image, shot.media_type)},
        )

    async def result(self, capture_id: UUID, wait: float = 10.0) -> dict[str, object] | None:
        """Return what the person is shown, or None while recognition is delayed."""
        response = await self.client.get(
            f"{self.query_url}/v1/captures/{capture_id}",
            params={"wait": wait},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=wait + 10,
        )
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        response.raise_for_status()
        found: dict[str, object] = response.json()
        return found
